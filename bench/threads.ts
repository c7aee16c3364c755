/**
 * Processor time of a request on the main thread and on all other threads. Their ratio limits the cores that a process
 * can use.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { requestsPerSecond } from './closed-loop.ts';
import type { Comparison } from './comparison.ts';
import { makeLabels, makeLogits } from './logits.ts';
import { httpRequest, requestHead } from './request.ts';
import { startService } from './service.ts';
import type { ChildServer } from './service.ts';

const CONNECTIONS = 8;
const WARM_UP_MS = 4000;
const MEASURED_MS = 5000;

/** Processor time of the main thread and of the other threads, in milliseconds. */
interface Shares {
  main: number;
  others: number;
}

const SHAPES = [
  ['evaluated on the main thread', 8, 1000],
  ['a slab', 16, 32_000],
  ['four slabs', 64, 32_000],
  ['64 slabs', 1024, 32_000],
] as const;

/**
 * Estimates the number of cores up to which a process with one worker per core gains. Uses the processor times with two
 * workers.
 */
export async function benchThreads(): Promise<Comparison[]> {
  await using service = await startService({ environment: { LOSSMETER_WORKERS: '2' } });
  const comparisons: Comparison[] = [];
  for (const [name, rows, classes] of SHAPES) {
    const body = Buffer.concat([
      requestHead([rows, classes], makeLabels(rows, classes)),
      makeLogits('float32', rows, classes),
    ]);
    const { main, others } = await sharesOf(service, httpRequest(body));
    const size =
      body.byteLength < 1e6 ? `${Math.round(body.byteLength / 1000)} KB` : `${Math.round(body.byteLength / 1e6)} MB`;
    comparisons.push({
      what: `processor time of a request of ${size}, ${name}`,
      figure: `main thread ${main.toFixed(3)} ms, others ${others.toFixed(3)} ms`,
      against: `${((100 * main) / (main + others)).toFixed(0)} % on the main thread: busy at ${((main + others) / main).toFixed(1)} cores`,
      unit: '×',
    });
  }
  return comparisons;
}

/** Processor time per request. */
async function sharesOf({ port, process }: ChildServer, request: Buffer): Promise<Shares> {
  const load = (milliseconds: number) => requestsPerSecond(port, { request, connections: CONNECTIONS, milliseconds });
  await load(WARM_UP_MS);
  const before = timesOf(process.pid!);
  const { answered } = await load(MEASURED_MS);
  const after = timesOf(process.pid!);
  return {
    main: (after.main - before.main) / answered,
    others: (after.others - before.others) / answered,
  };
}

/** Processor time of the main thread, whose id is that of the process, and of all other threads, in milliseconds. */
function timesOf(pid: number): Shares {
  const times = readdirSync(`/proc/${pid}/task`).map((thread) => ({
    isMain: Number(thread) === pid,
    milliseconds: Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ', 1)[0]) / 1e6,
  }));
  const sum = (isMain: boolean): number =>
    times.filter((time) => time.isMain === isMain).reduce((total, { milliseconds }) => total + milliseconds, 0);
  return { main: sum(true), others: sum(false) };
}
