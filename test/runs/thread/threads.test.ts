import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, expect, test } from 'vitest';
import { StoreThreads } from '../../../src/runs/thread/threads.ts';

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

/** Writes another history over the file in its place. @returns its bytes */
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
