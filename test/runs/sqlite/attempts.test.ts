import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, expect, test } from 'vitest';
import type { BatchKey } from '../../../src/runs/record.ts';
import { MIGRATIONS } from '../../../src/runs/sqlite/migrations/index.ts';
import { pendingMigrations } from '../../../src/runs/sqlite/pending-migrations.ts';
import { MOST_DROPPED } from '../../../src/runs/recording.ts';
import { SORTS } from '../../../src/contract/runs.ts';
import { SqliteStore } from '../../../src/runs/sqlite/store.ts';
import { ThreadedStore } from '../../../src/runs/thread/store.ts';
import { recording } from '../recordings.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-attempts-'));
afterAll(() => rmSync(folder, { recursive: true }));

const key = (step: number, attempt = 0, rank = 0): BatchKey => ({ run: 'r', step, attempt, rank, microBatch: 0 });

/** A file with a run `r` of many steps, written at once. The last two are not finite, and belong to the given attempt. */
async function withSteps(count: number, lastAttempt = 0): Promise<string> {
  const path = join(folder, `${Math.random()}.db`);
  await new SqliteStore(path).close();
  const database = new DatabaseSync(path);
  database.exec(`BEGIN; INSERT INTO runs (name, created_at, updated_at, ranks, steps, non_finite_steps)
      VALUES ('r', 0, 0, 1, ${count}, 2);
    WITH RECURSIVE k (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM k WHERE n < ${count - 1})
      INSERT INTO steps SELECT 1, n, iif(n < ${count - 2}, 0, ${lastAttempt}), x'', x'', n, 1, n, 1, NULL, NULL, 0,
        n >= ${count - 2}, '[]', NULL, NULL, NULL, 0, n + 1 FROM k;
    UPDATE sequence SET value = ${count}; COMMIT`);
  database.close();
  return path;
}

test('a transaction drops a bounded number of superseded steps, and the counts are right after each', async () => {
  const store = new SqliteStore(await withSteps(2 * MOST_DROPPED + 10));
  const resumed = { key: key(4, 1), recording: recording(1) };
  const other = { key: { ...key(1), run: 'other' }, recording: recording(2) };
  expect(await store.recordAll([resumed, other])).toEqual([{ dropping: true }, { outcome: 'created' }]);
  expect(await store.run('r')).toMatchObject({ steps: MOST_DROPPED + 10, nonFiniteSteps: 2, batches: 0 });
  expect(await store.recordAll([resumed, { ...resumed, key: key(4, 1, 1) }])).toEqual([
    { dropping: true },
    { dropping: true },
  ]);
  expect(await store.run('r')).toMatchObject({ steps: 10, nonFiniteSteps: 2, last: { step: 2 * MOST_DROPPED + 9 } });
  expect(await store.recordAll([resumed])).toEqual([{ outcome: 'created' }]);
  expect(await store.run('r')).toMatchObject({ steps: 5, nonFiniteSteps: 0, batches: 1, last: { step: 4, loss: 1 } });
  await store.close();
});

test('other recordings go on while a trainer resumes before 60,000 steps', async () => {
  const store = new ThreadedStore(await withSteps(60_000));
  await store.open();
  const resuming = store.record(key(4, 1), recording(1));
  const left = new AbortController();
  void resuming.finally(() => left.abort());
  let others = 0;
  for (; !left.signal.aborted; others++) await store.record({ ...key(others), run: 'other' }, recording(2));
  expect(await resuming).toBe('created');
  // Each transaction drops a part of the steps, and makes one of the other recordings.
  expect(others).toBeGreaterThanOrEqual(20);
  expect(await store.run('r')).toMatchObject({ steps: 5, last: { step: 4, loss: 1 } });
  await store.close();
});

test('a store of the version before opens, without the steps that were superseded', async () => {
  const path = join(folder, 'before.db');
  const database = new DatabaseSync(path);
  database.exec(MIGRATIONS[0]!);
  database.exec(`PRAGMA user_version = 1;
    INSERT INTO runs (name, created_at, updated_at, batches, steps, non_finite_steps, ranks)
      VALUES ('r', 0, 0, 36, 31, 1, 1), ('~removed 2', 0, 0, 0, 1, 0, 1);
    WITH RECURSIVE k (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM k WHERE n < 30)
      INSERT INTO steps SELECT 1, n, n BETWEEN 20 AND 24, x'', x'', iif(n = 30, NULL, n), 1, iif(n = 30, NULL, n), 1,
        NULL, NULL, n = 30, n = 30, '[]', NULL, NULL, NULL, 0, n + 1 FROM k;
    UPDATE sequence SET value = 31;`);
  database.close();
  expect(pendingMigrations(path)).toBe(MIGRATIONS.length - 1);
  const store = new SqliteStore(path);
  expect(await store.run('r')).toMatchObject({ steps: 25, nonFiniteSteps: 0, last: { step: 24, loss: 24 } });
  expect((await store.newest(10)).map(({ run }) => run)).toEqual(['r']);
  for (const sort of SORTS) {
    const { runs, counts } = await store.runs({ search: 'r', sort }, 10, undefined);
    expect([runs.map(({ run }) => run), counts!.total]).toEqual([['r'], 1]);
  }
  expect(await store.record(key(26), recording(1))).toBe('superseded');
  expect(await store.record(key(25, 1), recording(1))).toBe('created');
  await store.close();
  expect(pendingMigrations(path)).toBe(0);
  expect(pendingMigrations(join(folder, 'absent.db'))).toBe(0);
});
