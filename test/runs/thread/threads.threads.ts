import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, expect, test } from 'vitest';
import { StoreThreads } from '../../../src/runs/thread/threads.ts';
import { NEWEST, recording } from '../recordings.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-threads-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
let threads: StoreThreads;
afterEach(() => threads.close());

const endThreads = async (): Promise<void> => {
  await Promise.all(threads.workers.map((worker) => worker.terminate()));
};

async function open(): Promise<string> {
  const path = join(folder, `${count++}.db`);
  threads = new StoreThreads(path);
  await threads.open();
  return path;
}

test('calls that wait while a thread is lost again and again, before it has begun, are answered', async () => {
  await open();
  const end = async (): Promise<void> => {
    await Promise.all(threads.workers.map((worker) => worker.terminate()));
  };
  await end();
  const calls = Array.from({ length: 10 }, () => threads.read('sequence').catch(() => undefined));
  await end();
  await end();
  await Promise.all(calls);
  await sleep(300);
  expect(await threads.read('sequence')).toBe(0);
  await expect(threads.write('check')).resolves.toBeUndefined();
});

test('a log that was removed is made anew, and calls that wait for it are answered', async () => {
  const path = await open();
  await threads.write('describe', 'r', { labels: { a: 1 } });
  for (const suffix of ['-wal', '-shm']) rmSync(path + suffix);
  const made = await Promise.all(
    Array.from({ length: 20 }, (_, k) =>
      threads.write('describe', `r${k}`, {}).then(() => threads.read('run', `r${k}`)),
    ),
  );
  expect(made.map((run) => run?.run)).toEqual(Array.from({ length: 20 }, (_, k) => `r${k}`));
  expect(await threads.read('metadata', 'r')).toMatchObject({ labels: { a: 1 } });
  expect(existsSync(`${path}-wal`)).toBe(true);
});

test.each([1, 2])('%i recordings that find the log removed are made in a new one', async (count) => {
  const path = await open();
  const recordings = (step: number) =>
    Array.from({ length: count }, (_, rank) => ({
      key: { run: 'r', attempt: 1, step, rank, microBatch: 0 },
      recording: recording(1),
    }));
  const created = Array.from({ length: count }, () => ({ outcome: 'created' }));
  expect(await threads.write('recordAll', recordings(1))).toEqual(created);
  for (const suffix of ['-wal', '-shm']) rmSync(path + suffix);
  expect(await threads.write('recordAll', recordings(2))).toEqual(created);
  expect(existsSync(`${path}-wal`)).toBe(true);
});

test('a thread that is started again opens no other file, and makes none', async () => {
  const path = await open();
  await threads.write('describe', 'r', {});
  renameSync(path, `${path}.away`);
  await Promise.all(threads.workers.map((worker) => worker.terminate()));
  await sleep(300);
  const refusal = {
    code: 'store_unavailable',
    message: expect.stringContaining('was moved, removed or replaced') as unknown,
  };
  await expect(threads.read('run', 'r')).rejects.toMatchObject(refusal);
  expect(existsSync(path)).toBe(false);
  writeFileSync(path, '');
  await expect(threads.write('describe', 'r', {})).rejects.toMatchObject(refusal);
  renameSync(`${path}.away`, path);
  expect(await threads.read('run', 'r')).toMatchObject({ run: 'r' });
});

/** Overwrites the file with another history. @returns its bytes */
async function overwrite(path: string): Promise<Buffer> {
  const other = new StoreThreads(`${path}.other`);
  await other.open();
  await other.write('describe', 'other', {});
  await other.close();
  const bytes = readFileSync(`${path}.other`);
  await sleep(20);
  writeFileSync(path, bytes);
  return bytes;
}

const OVERWRITTEN = {
  code: 'store_unavailable',
  message: expect.stringMatching(/its file was overwritten by another program. Stop the service/) as unknown,
};

test.each([
  ['at once', async () => undefined],
  ['when that was noticed', () => expect(threads.write('check')).rejects.toMatchObject(OVERWRITTEN)],
  [
    'when that was noticed and the threads were lost',
    async () => {
      await expect(threads.write('check')).rejects.toMatchObject(OVERWRITTEN);
      await endThreads();
      await sleep(300);
    },
  ],
  [
    'when its log was removed too, as for a backup that is restored',
    async (path: string) => {
      for (const suffix of ['-wal', '-shm']) rmSync(path + suffix);
      await expect(threads.write('check')).rejects.toMatchObject(OVERWRITTEN);
    },
  ],
])('a file that was overwritten is left as it is by a close %s', async (_when, act) => {
  const path = await open();
  for (let k = 0; k < 50; k++) await threads.write('describe', `r${k}`, {});
  const bytes = await overwrite(path);
  await act(path);
  await threads.close();
  expect(readFileSync(path).equals(bytes)).toBe(true);
});

test('damage is not forgotten when the threads are lost: changes and checks are refused as before', async () => {
  const path = await open();
  await threads.write('describe', 'r', {});
  const bytes = await overwrite(path);
  await expect(threads.write('check')).rejects.toMatchObject(OVERWRITTEN);
  await endThreads();
  await sleep(300);
  await expect(threads.write('describe', 'more', {})).rejects.toMatchObject(OVERWRITTEN);
  await expect(threads.write('check')).rejects.toMatchObject(OVERWRITTEN);
  expect(readFileSync(path).equals(bytes)).toBe(true);
});

test('a change that is committed when its log is lost is answered once, with its own result', async () => {
  const path = await open();
  await threads.write('describe', 'r', {});
  for (const [method, args] of [
    ['unlink', ['r']],
    ['describe', ['new', {}]],
  ] as const) {
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    const result = method === 'unlink' ? threads.write(method, ...args) : threads.write(method, ...args);
    await sleep(200);
    // The change waits for the lock. It verified the files before, when the log still existed.
    rmSync(`${path}-wal`);
    other.exec('ROLLBACK');
    other.close();
    expect(await result, method).toBe(true);
    expect(existsSync(`${path}-wal`)).toBe(true);
  }
  expect(await threads.read('run', 'r')).toBeUndefined();
  expect(await threads.read('run', 'new')).toMatchObject({ run: 'new' });
});

test('reads under way when a lost log is made anew are answered', { timeout: 60_000 }, async () => {
  const path = await open();
  await threads.write('describe', 'r', {});
  const filler = new DatabaseSync(path);
  filler.exec(`WITH RECURSIVE k (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < 20000)
    INSERT INTO runs (name, created_at, updated_at) SELECT 'filler' || n, 0, 0 FROM k`);
  filler.close();
  await threads.write('check');
  const reads = Promise.allSettled(Array.from({ length: 200 }, () => threads.read('runs', NEWEST, 50, undefined)));
  await sleep(5);
  rmSync(`${path}-wal`);
  expect(await threads.write('describe', 'new', {})).toBe(true);
  const failed = (await reads).filter((result) => result.status === 'rejected');
  expect(failed.map(({ reason }) => (reason as Error).message)).toEqual([]);
});

test('a history that cannot be opened again is refused with 503, and is guarded as before when it can', async () => {
  const path = await open();
  await threads.write('describe', 'r', {});
  rmSync(`${path}-wal`);
  mkdirSync(`${path}-wal`);
  const refusal = {
    code: 'store_unavailable',
    status: 503,
    message: expect.stringMatching(/^the history cannot be opened: unable to open database file\./) as unknown,
  };
  for (let k = 0; k < 2; k++) await expect(threads.write('describe', 'more', {})).rejects.toMatchObject(refusal);
  await expect(threads.read('run', 'r')).rejects.toMatchObject(refusal);
  rmSync(`${path}-wal`, { recursive: true });
  expect(await threads.write('describe', 'more', {})).toBe(true);
  expect(await threads.read('run', 'r')).toMatchObject({ run: 'r' });
  const bytes = await overwrite(path);
  await threads.close();
  expect(readFileSync(path).equals(bytes)).toBe(true);
});

test('a read that fails says why it failed, and not why nothing can be written', async () => {
  const path = await open();
  await threads.write('describe', 'r', {});
  const reader = threads.workers[1]!;
  const reads = Promise.allSettled(Array.from({ length: 1000 }, () => threads.read('run', 'r')));
  renameSync(path, `${path}.away`);
  await reader.terminate();
  const failed = (await reads).filter((result) => result.status === 'rejected');
  expect(failed.length).toBeGreaterThan(0);
  for (const { reason } of failed) {
    expect((reason as Error).message).toMatch(
      /^the thread that works with the history ended|^the history cannot be opened/,
    );
  }
  renameSync(`${path}.away`, path);
});
