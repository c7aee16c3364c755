import { mkdtempSync, openSync, closeSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { LossmeterError } from '../../../src/errors.ts';
import type { BatchKey } from '../../../src/runs/record.ts';
import { batchPages } from '../../../src/runs/store.ts';
import { ThreadedStore } from '../../../src/runs/thread/store.ts';
import { ALL, recording } from '../recordings.ts';
import { TIMED } from '../../timed.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-thread-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
const newPath = (): string => join(folder, `${files++}.db`);

async function open(path: string): Promise<ThreadedStore> {
  const store = new ThreadedStore(path);
  onTestFinished(() => store.close().catch(() => undefined));
  await store.open();
  await store.start();
  return store;
}

const key = (step: number, others: Partial<BatchKey> = {}): BatchKey => ({
  ...{ run: 'r', step, rank: 0, microBatch: 0, attempt: 0 },
  ...others,
});

/** Longest turn of the event loop during an action, in milliseconds. */
async function longestTurn(work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await work();
  delay.disable();
  return delay.max / 1e6;
}

describe.each([
  ['in a file', newPath],
  ['in memory', () => ':memory:'],
])('a history %s', (_where, pathOf) => {
  test('answers what was recorded, also while more is recorded', async () => {
    const store = await open(pathOf());
    await store.describe('r', { labels: { lr: 0.1 }, expectedRanks: 2 });
    for (const [step, loss] of [2, Number.NaN, Infinity].entries()) {
      expect(await store.record(key(step), recording(loss))).toBe('created');
      const steps = await store.steps('r', ALL, 10);
      expect(steps.at(-1)).toMatchObject({ step, loss, complete: false, spike: false, nonFinite: step > 0 });
    }
    expect(await store.run('r')).toMatchObject({ steps: 3, nonFiniteSteps: 2, labels: { lr: 0.1 } });
    expect(await store.attemptOf('r', 1)).toBe(0);
    expect((await Array.fromAsync(batchPages(store, 'r', ALL))).flat()).toMatchObject([
      { step: 0 },
      { step: 1 },
      { step: 2 },
    ]);
    expect(await store.remove('r')).toBe(true);
    expect(await store.run('r')).toBeUndefined();
    expect(await store.steps('r', ALL, 10)).toEqual([]);
  });

  test('gives each of the recordings that share a transaction its own outcome, in their order', async () => {
    const store = await open(pathOf());
    await store.describe('narrow', { expectedRanks: 1 });
    const outcomes = await Promise.all([
      store.record(key(1), recording(1)),
      store.record(key(1), recording(1)),
      store.record(key(1), recording(2)),
      store.record(key(1, { attempt: 1 }), recording(3)),
      store.record(key(1), recording(1)),
      store.record(key(1, { run: 'narrow', rank: 1 }), recording(1)),
      store.record(key(2, { attempt: 1 }), recording(4)),
    ]);
    expect(outcomes).toEqual([
      ...['created', 'repeated', 'conflict', 'created', 'superseded', 'unexpected', 'created'],
    ]);
    expect(await store.steps('r', ALL, 10)).toMatchObject([
      { step: 1, loss: 3, attempt: 1 },
      { step: 2, loss: 4 },
    ]);
  });

  test('undoes a recording that fails alone: those beside it are recorded', async () => {
    const store = await open(pathOf());
    // SQLite refuses a text as a step.
    const wrong = { ...key(1), step: 'x' as unknown as number };
    const results = await Promise.allSettled([
      store.record(key(1), recording(1)),
      store.record(wrong, recording(1)),
      store.record(key(2), recording(2)),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await store.run('r')).toMatchObject({ steps: 2, batches: 2 });
  });
});

test('a history is closed after what is pending, and is there when it is opened again', async () => {
  const path = newPath();
  const store = await open(path);
  const pending = Array.from({ length: 500 }, (_, step) => store.record(key(step), recording(step)));
  await store.close();
  expect(new Set(await Promise.all(pending))).toEqual(new Set(['created']));
  const again = await open(path);
  expect(await again.run('r')).toMatchObject({ steps: 500, last: { step: 499, loss: 499 } });
});

test(
  'a lock of another process delays recordings for a bounded time, and neither reads nor the event loop',
  TIMED,
  async () => {
    const path = newPath();
    const store = await open(path);
    await store.record(key(1), recording(1));
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    const started = performance.now();
    const turn = await longestTurn(async () => {
      const recordings = Array.from({ length: 20 }, (_, k) => store.record(key(10 + k), recording(1)));
      for (let k = 0; k < 50; k++) expect(await store.run('r')).toMatchObject({ steps: 1 });
      expect(performance.now() - started).toBeLessThan(900);
      for (const result of await Promise.allSettled(recordings)) {
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'store_unavailable', status: 503 } });
      }
    });
    expect(performance.now() - started).toBeLessThan(2500);
    expect(turn).toBeLessThan(90);
    other.exec('ROLLBACK');
    other.close();
    expect(await store.record(key(10), recording(1))).toBe('created');
  },
);

test('recordings that wait beyond a bound are refused at once', { timeout: 30_000, ...TIMED }, async () => {
  const path = newPath();
  const store = await open(path);
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  const started = performance.now();
  const results = await Promise.allSettled(
    Array.from({ length: 1300 }, (_, step) => store.record(key(step), recording(1))),
  );
  expect(performance.now() - started).toBeLessThan(2500);
  const details = results.map((result) => ((result as PromiseRejectedResult).reason as LossmeterError).message);
  expect(details.filter((detail) => detail.includes('recordings wait'))).toHaveLength(1300 - 1 - 1024);
  expect(details.filter((detail) => detail.includes('locked'))).toHaveLength(1 + 1024);
  other.exec('ROLLBACK');
  other.close();
});

test('a long read does not keep a recording waiting', { timeout: 120_000, ...TIMED }, async () => {
  const path = newPath();
  const store = await open(path);
  await store.record(key(0), recording(1));
  const filler = new DatabaseSync(path);
  filler.exec(`WITH RECURSIVE k (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < 300000)
    INSERT INTO steps SELECT run, n, attempt, numerators, denominators, n % 7, 1, n % 7, ranks, least, greatest, 0, 0,
      causes, NULL, NULL, NULL, 0, 1000 + n FROM steps, k`);
  filler.close();
  const over = new AbortController();
  const reads = Promise.all(
    Array.from({ length: 5 }, () => store.pickSteps('r', ALL, 1000).then((steps) => steps.length)),
  ).finally(() => over.abort());
  const times: number[] = [];
  for (let step = 400_000; !over.signal.aborted; step++) {
    const started = performance.now();
    await store.record(key(step), recording(1));
    times.push(performance.now() - started);
  }
  await reads;
  expect(times.length).toBeGreaterThan(10);
  expect(times.toSorted((a, b) => a - b)[times.length >> 1]).toBeLessThan(50);
});

test.each(['writer', 'reader'] as const)('a lost %s fails what is pending, and is replaced', async (which) => {
  const path = newPath();
  const store = await open(path);
  await store.record(key(1), recording(1));
  const [writer, reader] = store.threads;
  const lost = which === 'writer' ? writer! : reader!;
  const pending = Promise.allSettled([
    ...Array.from({ length: 50 }, (_, k) => store.record(key(100 + k), recording(1))),
    ...Array.from({ length: 1000 }, () => store.run('r')),
  ]);
  await lost.terminate();
  const results = await pending;
  const failed = results.filter((result) => result.status === 'rejected');
  expect(failed.length).toBeGreaterThan(0);
  for (const { reason } of failed) expect(reason).toMatchObject({ code: 'store_unavailable', status: 503 });
  // The store works again: nothing is locked, and all acknowledged batches are recorded.
  for (let k = 0; k < 50; k++) {
    const acknowledged = results[k]!.status === 'fulfilled';
    const outcome = await store.record(key(100 + k), recording(1));
    if (acknowledged) expect(outcome).toBe('repeated');
  }
  expect(await store.run('r')).toMatchObject({ steps: 51, batches: 51 });
});

test('a history in memory whose thread is lost is refused from then on, and never empty', async () => {
  const store = await open(':memory:');
  await store.record(key(1), recording(1));
  await store.threads[0]!.terminate();
  await sleep(300);
  const refusal = {
    code: 'store_unavailable',
    message: expect.stringMatching(/the thread that kept it in memory ended. Restart the service/) as unknown,
  };
  await expect(store.run('r')).rejects.toMatchObject(refusal);
  await expect(store.record(key(2), recording(2))).rejects.toMatchObject(refusal);
  await expect(store.check()).rejects.toMatchObject(refusal);
});

test('rows of a removed run are removed after the next check, when the thread was lost meanwhile', async () => {
  const path = newPath();
  const store = await open(path);
  for (let k = 0; k < 100; k++)
    await Promise.all(Array.from({ length: 100 }, (_, j) => store.record(key(100 * k + j), recording(1))));
  expect(await store.remove('r')).toBe(true);
  await store.threads[0]!.terminate();
  await sleep(300);
  const reader = new DatabaseSync(path, { readOnly: true });
  const left = (): number => (reader.prepare('SELECT count(*) AS n FROM batches').get() as { n: number }).n;
  expect(left()).toBeGreaterThan(0);
  await store.check();
  for (const end = performance.now() + 5000; left() > 0 && performance.now() < end;) await sleep(20);
  expect(left()).toBe(0);
  reader.close();
});

test('an error of SQLite keeps its result code on the way', async () => {
  const path = newPath();
  const store = await open(path);
  for (let step = 0; step < 2000; step++) await store.record(key(step), recording(1));
  await store.close();
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(statSync(path).size - 8192, 0xa5), 0, undefined, 8192);
  closeSync(file);
  const broken = new ThreadedStore(path);
  onTestFinished(() => broken.close().catch(() => undefined));
  const failure = await broken
    .open()
    .then(() => broken.steps('r', ALL, 1000))
    .catch((cause: unknown) => cause);
  const error = failure as Error & { errcode?: number; cause?: { errcode?: number } };
  expect((error.errcode ?? error.cause?.errcode ?? 0) & 0xff).toBe(11);
});

test.each([
  ['no database', 'x'.repeat(10_000), 'file is not a database'],
  ['in a folder that is missing', undefined, 'unable to open database file'],
])('a file that is %s is refused when it is opened, with its name', async (_what, content, says) => {
  const path = content === undefined ? join(folder, 'nowhere', 'x.db') : newPath();
  if (content !== undefined) writeFileSync(path, content);
  const store = new ThreadedStore(path);
  onTestFinished(() => store.close());
  await expect(store.open()).rejects.toThrow(`LOSSMETER_STORE is ${path}: ${says}`);
});

test.each(['a file', ':memory:'])('a store in %s that is closed while it opens ends its threads', async (what) => {
  const store = new ThreadedStore(what === ':memory:' ? what : newPath());
  const opening = store.open().catch(() => undefined);
  await store.close();
  await opening;
  expect(store.threads).toEqual([]);
});

test('a store that cannot be opened ends its threads', async () => {
  const store = new ThreadedStore(join(folder, 'nowhere', 'x.db'));
  await expect(store.open()).rejects.toThrow('unable to open database file');
  expect(store.threads).toEqual([]);
});
