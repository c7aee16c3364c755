import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { BatchKey, Recording } from '../../../src/runs/record.ts';
import { Reserve } from '../../../src/runs/sqlite/reserve.ts';
import { SqliteStore } from '../../../src/runs/sqlite/store.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-guard-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
const newPath = (): string => join(folder, `${count++}.db`);

const keyOf = (step: number): BatchKey => ({ run: 'r', step, attempt: 0, rank: 0, microBatch: 0 });

const recordingOf = (step: number): Recording => ({
  ...{ numerator: step, denominator: 1, digest: Uint8Array.of(step) },
  diagnostics: { verdict: 'finite', summary: 'the loss is finite', causes: [] },
});

const record = (store: SqliteStore, step: number): Promise<unknown> => store.record(keyOf(step), recordingOf(step));

describe('the store', () => {
  test('that is damaged inside finds it, and refuses recordings from then on', async () => {
    const path = newPath();
    const store = new SqliteStore(path);
    await record(store, 1);
    expect(await store.inspect()).toBeUndefined();
    const other = new DatabaseSync(path, { defensive: false });
    other.exec(
      "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'ranks'; PRAGMA schema_version = 999",
    );
    other.close();
    const found = await store.inspect();
    expect(found).toMatch(/^the file is damaged: /);
    await store.condemn(found!);
    await expect(record(store, 2)).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringMatching(/the file is damaged: .* Stop the service\. Restore the file/) as unknown,
    });
    expect(await store.state()).toBe('damaged');
  });

  test('that finds damage as it records refuses recordings from then on, and says so when it is checked', async () => {
    const path = newPath();
    const store = new SqliteStore(path);
    await record(store, 1);
    const other = new DatabaseSync(path, { defensive: false });
    other.exec(
      "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 9999 WHERE name = 'ranks'; PRAGMA schema_version = 999",
    );
    other.close();
    const damaged = {
      code: 'store_unavailable',
      message: expect.stringMatching(/malformed/) as unknown,
    };
    const some = [2, 3].map((step) => ({ key: keyOf(step), recording: recordingOf(step) }));
    await expect(store.recordAll(some)).rejects.toMatchObject(damaged);
    expect(await store.state()).toBe('damaged');
    await expect(store.check()).rejects.toMatchObject({
      ...damaged,
      message: expect.stringMatching(/the file is damaged: .*malformed.*\. Stop the service\. Restore/) as unknown,
    });
  });

  test('checks by a change of its own that what failed works again', async () => {
    const path = newPath();
    const store = new SqliteStore(path);
    await record(store, 1);
    const before = await store.sequence();
    await store.check();
    expect(await store.sequence()).toBe(before);
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    await expect(record(store, 2)).rejects.toThrow(/locked\. Another program has locked the file; end that program/);
    await expect(store.check()).rejects.toThrow(/locked/);
    other.exec('ROLLBACK');
    other.close();
    await store.check();
    await record(store, 2);
    await store.close();
  });
});

describe('a store that cannot be opened says what to do:', () => {
  const restore = 'Restore the file from a backup and remove its -wal and -shm files, or move all three away';

  test.each([
    ['text', () => Buffer.alloc(20_000, 'x'), `file is not a database. ${restore}`],
    ['a part of a database', (whole: Buffer) => whole.subarray(0, 5000), restore],
    [
      'zeros behind the first page',
      (whole: Buffer) => Buffer.concat([whole.subarray(0, 4096), Buffer.alloc(whole.length - 4096)]),
      restore,
    ],
  ])('%s', async (_, corrupt, advice) => {
    const path = newPath();
    const store = new SqliteStore(path);
    await record(store, 1);
    await store.close();
    const bytes = corrupt(readFileSync(path));
    writeFileSync(path, bytes);
    expect(() => new SqliteStore(path)).toThrow(`LOSSMETER_STORE is ${path}: `);
    expect(() => new SqliteStore(path)).toThrow(advice);
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });
});

test('the reserve is written where it is missing or short, and given back', () => {
  const path = newPath();
  const file = `${path}-reserve`;
  const reserve = new Reserve(path);
  expect(reserve.keep()).toBe(true);
  const { size, blocks } = statSync(file);
  expect(size).toBe(8 * 2 ** 20);
  expect(blocks * 512, 'it has holes').toBeGreaterThanOrEqual(size);
  reserve.release();
  expect(statSync(file, { throwIfNoEntry: false })).toBeUndefined();
  // The reserve is not written again at once, only by a later check: this limits writes to a full disk.
  expect(reserve.keep()).toBe(false);
  expect(new Reserve(path).keep()).toBe(true);
  truncateSync(file, 100);
  expect(new Reserve(path).keep()).toBe(true);
  expect(statSync(file).size).toBe(size);
});
