import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Comparison } from '../comparison.ts';
import { startService } from '../service.ts';
import { ClientThread } from './client-thread.ts';
import { fileRequest, largeRequest } from './requests.ts';
import type { Traffic } from './traffic.ts';

const KILL_WORKERS = new URL('./kill-workers.ts', import.meta.url);
const WORKERS = 2;
const CONNECTIONS = 6;
const WARM_UP_MS = 4000;
const SPEED_MS = 5000;
const KILL_EVERY_MS = 1000;
/** Milliseconds of recovery: a new worker optimizes its kernel while it works. */
const RECOVER_MS = 2000;
/** Id that no thread has. It ends no thread and only requests the ids. */
const NOBODY = -1;

const RETRYABLE = '503 worker_lost';

/** Measures the answers that clients get while workers are killed, and afterwards. */
export async function benchWorkers(seconds: number): Promise<Comparison[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lossmeter-bench-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    return await killWorkers(folder, seconds);
  } finally {
    remove();
    process.off('exit', remove);
  }
}

async function killWorkers(folder: string, seconds: number): Promise<Comparison[]> {
  const requests = [largeRequest(), fileRequest(folder)];
  await using service = await startService({
    imports: [KILL_WORKERS],
    // Hides the log entry of every lost worker.
    environment: { LOSSMETER_WORKERS: String(WORKERS), LOSSMETER_DATA_DIR: folder, LOSSMETER_LOG_LEVEL: 'fatal' },
  });
  await using clients = new ClientThread();
  const load = (milliseconds: number): Promise<Traffic> =>
    clients.run({ kind: 'closed', port: service.port, requests, connections: CONNECTIONS, milliseconds });

  await load(WARM_UP_MS);
  const before = await load(SPEED_MS);
  const loaded = load(seconds * 1000);
  const kills = await killEverySecond(service.process, seconds);
  const during = await loaded;
  await load(RECOVER_MS);
  const after = await load(SPEED_MS);
  const alive = await threadsOf(service.process);
  return report({ before, during, after, kills, alive, seconds });
}

/** Ends workers one after the other. Resolves with their number. */
async function killEverySecond(service: ChildProcess, seconds: number): Promise<number> {
  const end = performance.now() + seconds * 1000;
  let kills = 0;
  for (let next = performance.now() + KILL_EVERY_MS; next < end; next += KILL_EVERY_MS) {
    await sleep(next - performance.now());
    const threads = await threadsOf(service);
    const victim = threads[kills % threads.length];
    if (victim === undefined) continue;
    await threadsOf(service, victim);
    kills++;
  }
  return kills;
}

/** Ids of living worker threads. All of them are kernel workers, because this bench starts no others. */
async function threadsOf(service: ChildProcess, victim = NOBODY): Promise<number[]> {
  const answered = once(service, 'message') as Promise<[number[]]>;
  service.send(victim);
  return (await answered)[0];
}

interface Observations {
  before: Traffic;
  during: Traffic;
  after: Traffic;
  kills: number;
  alive: readonly number[];
  seconds: number;
}

function report({ before, during, after, kills, alive, seconds }: Observations): Comparison[] {
  const { counts, losses, unanswered, withoutRetryAfter } = during;
  const answers = Object.entries(counts);
  const all = answers.reduce((sum, [, count]) => sum + count, 0) + unanswered;
  const expected = new Set(before.losses);
  const wrong = losses.filter((loss) => !expected.has(loss));
  const good = (counts['200'] ?? 0) + (counts[RETRYABLE] ?? 0) - withoutRetryAfter;
  const speed = (traffic: Traffic): number => (traffic.counts['200'] ?? 0) / traffic.seconds;
  const show = (traffic: Traffic): string => `${speed(traffic).toFixed(0)} requests/s`;
  const what = `${kills} of ${WORKERS} workers killed in ${seconds} s`;
  return [
    {
      what: `${what}: right or retryable`,
      figure: answers.map(([answer, count]) => `${count} × ${answer}`).join(', '),
      against: `${all} requests`,
      value: wrong.length > 0 ? 0 : good / all,
      unit: '×',
      goal: { atLeast: 1 },
      notes: [
        `losses ${losses.join(', ')}, before ${before.losses.join(', ')}`,
        `${withoutRetryAfter} refusals without Retry-After, ${unanswered} requests without an answer`,
      ],
    },
    {
      what: `${what}: speed meanwhile`,
      figure: show(during),
      against: `before ${show(before)}`,
      value: speed(during) / speed(before),
      unit: '×',
    },
    {
      what: `${what}: speed afterwards`,
      figure: show(after),
      against: `before ${show(before)}`,
      value: speed(after) / speed(before),
      unit: '×',
      goal: { atLeast: 0.9 },
    },
    {
      what: `${what}: workers afterwards`,
      figure: `${alive.length} threads`,
      against: `LOSSMETER_WORKERS ${WORKERS}`,
      value: alive.length === WORKERS ? 1 : 0,
      unit: '×',
      goal: { atLeast: 1 },
    },
  ];
}
