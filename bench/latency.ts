import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Comparison } from './comparison.ts';
import { largeBatch } from './large-request.ts';
import type { LoopDelay } from './loop-delay.ts';
import { httpRequest } from './request.ts';
import { startService } from './service.ts';
import type { ChildServer } from './service.ts';
import { percentile } from './statistics.ts';
import type { Uploads } from './upload-clients.ts';

const LOOP_DELAY = new URL('./loop-delay.ts', import.meta.url);
const UPLOAD_CLIENTS = new URL('./upload-clients.ts', import.meta.url);
const CLIENTS = 4;
const WARM_UP_MS = 3000;
const UPLOAD_MS = 8000;
const IDLE_MS = 2000;
const ASK_EVERY_MS = 5;

/** Delays of the event loop and of /livez during one measurement. */
interface Latency {
  loop: LoopDelay;
  /** Milliseconds until each answer of /livez. */
  answers: number[];
}

/** Measures the delay of the event loop and of /livez, while idle and while large bodies arrive. */
export async function benchLatency(): Promise<Comparison[]> {
  await using service = await startService({ imports: [LOOP_DELAY] });
  const request = httpRequest(largeBatch().body);
  const upload = (milliseconds: number): Promise<number> =>
    runClients({ port: service.port, request, connections: CLIENTS, milliseconds });

  await upload(WARM_UP_MS);
  await sleep(IDLE_MS / 2);
  const idle = await measureDuring(service, sleep(IDLE_MS));
  const uploads = upload(UPLOAD_MS);
  const busy = await measureDuring(service, uploads);
  const speed = ((await uploads) * request.byteLength) / 1e9;

  const [idleAnswers, answers] = [percentile(idle.answers, 99), percentile(busy.answers, 99)];
  const load = `${CLIENTS} clients upload ${(request.byteLength / 1e6).toFixed(0)} MB bodies`;
  const figure = (milliseconds: number): string => `p99 ${milliseconds.toFixed(1)} ms`;
  return [
    {
      what: `event-loop delay while ${load}`,
      figure: figure(busy.loop.p99),
      against: `idle ${figure(idle.loop.p99)}`,
      value: busy.loop.p99,
      unit: 'ms',
      ratio: busy.loop.p99 / idle.loop.p99,
      goal: { atMost: 20 },
      notes: [`max ${busy.loop.max.toFixed(1)} ms, ${speed.toFixed(2)} GB/s uploaded`],
    },
    {
      what: `/livez while ${load}`,
      figure: figure(answers),
      against: `idle ${figure(idleAnswers)}`,
      value: answers,
      unit: 'ms',
      ratio: answers / idleAnswers,
      goal: { atMost: 50 },
      notes: [`median ${percentile(busy.answers, 50).toFixed(1)} ms, max ${Math.max(...busy.answers).toFixed(1)} ms`],
    },
  ];
}

async function measureDuring(service: ChildServer, until: Promise<unknown>): Promise<Latency> {
  const over = new AbortController();
  const end = until.finally(() => over.abort());
  // Discards the measurements before this point.
  await loopDelay(service.process);
  const answers: number[] = [];
  while (!over.signal.aborted) {
    const started = performance.now();
    const answer = await fetch(`http://127.0.0.1:${service.port}/livez`);
    await answer.arrayBuffer();
    answers.push(performance.now() - started);
    if (!answer.ok) throw new Error(`/livez answers ${answer.status}`);
    await sleep(ASK_EVERY_MS);
  }
  await end;
  return { loop: await loopDelay(service.process), answers };
}

/** Delay since the previous report. */
async function loopDelay(service: ChildProcess): Promise<LoopDelay> {
  const answered = once(service, 'message') as Promise<[LoopDelay]>;
  service.send('report');
  return (await answered)[0];
}

/** Resolves with the uploads per second. */
async function runClients(uploads: Uploads): Promise<number> {
  const worker = new Worker(UPLOAD_CLIENTS, { workerData: uploads });
  const [perSecond] = (await once(worker, 'message')) as [number];
  return perSecond;
}
