import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, expect, test } from 'vitest';
import type { BatchKey } from '../../../src/runs/record.ts';
import { SqliteStore } from '../../../src/runs/sqlite/store.ts';
import { shareOf } from '../../lists.ts';
import { NEWEST, recording } from '../recordings.ts';
import { TIMED } from '../../timed.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-store-'));
afterAll(() => rmSync(folder, { recursive: true }));

const STEPS = shareOf(1000, 4);

const key = (step: number, rank = 0, microBatch = 0, attempt = 0): BatchKey => ({
  ...{ run: 'r', step, rank, microBatch, attempt },
});

test('a removed run is gone at once, and what belongs to it by and by, also when the service ends meanwhile', async () => {
  const path = join(folder, 'removed.db');
  const store = new SqliteStore(path);
  for (let step = 0; step < STEPS; step++) await store.record(key(step), recording(1));
  const removing = store.remove('r');
  expect(await store.run('r')).toBeUndefined();
  expect((await store.runs(NEWEST, 10, undefined)).runs).toEqual([]);
  await store.record(key(5), recording(2));
  await removing;
  expect(await store.run('r')).toMatchObject({ steps: 1, batches: 1, last: { step: 5, loss: 2 } });
  for (let step = 10; step < STEPS; step++) await store.record(key(step), recording(1));
  const unfinished = store.remove('r').catch(() => undefined);
  await store.close();
  await unfinished;
  const again = new SqliteStore(path);
  await again.start();
  await again.close();
  const database = new DatabaseSync(path);
  for (const table of ['runs', 'steps', 'ranks', 'batches']) {
    expect(database.prepare(`SELECT count(*) AS n FROM ${table}`).get(), table).toEqual({ n: 0 });
  }
  database.close();
});

test('a file that another keeps locked is a refusal that can be repeated, and soon', TIMED, async () => {
  const path = join(folder, 'locked.db');
  const store = new SqliteStore(path);
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  const started = performance.now();
  await expect(store.record(key(1), recording(1))).rejects.toMatchObject({ code: 'store_unavailable', status: 503 });
  expect(performance.now() - started).toBeLessThan(2000);
  other.exec('ROLLBACK');
  other.close();
  expect(await store.record(key(1), recording(1))).toBe('created');
  await store.close();
});

test.each<[string, (path: string) => void, string]>([
  ['no database', (path) => writeFileSync(path, 'x'.repeat(10_000)), 'file is not a database'],
  [
    'of a later version',
    (path) => {
      const database = new DatabaseSync(path);
      database.exec('PRAGMA user_version = 99');
      database.close();
    },
    'its schema is version 99, this Lossmeter knows',
  ],
])('a file that is %s is refused with its name, and left as it is', (what, write, says) => {
  const path = join(folder, `${what.replaceAll(' ', '-')}.db`);
  write(path);
  expect(() => new SqliteStore(path)).toThrow(`LOSSMETER_STORE is ${path}: ${says}`);
  expect(() => new SqliteStore(join(folder, 'nowhere', 'x.db'))).toThrow('unable to open database file');
});
