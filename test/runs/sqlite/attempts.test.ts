import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import type { BatchKey, Outcome } from '../../../src/runs/record.ts';
import { MIGRATIONS } from '../../../src/runs/sqlite/migrations/index.ts';
import { pendingMigrations } from '../../../src/runs/sqlite/pending-migrations.ts';
import { MOST_DROPPED } from '../../../src/runs/recording.ts';
import { SORTS } from '../../../src/contract/runs.ts';
import { SqliteStore } from '../../../src/runs/sqlite/store.ts';
import { batchPages } from '../../../src/runs/store.ts';
import { ThreadedStore } from '../../../src/runs/thread/store.ts';
import { ALL, recording } from '../recordings.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-attempts-'));
afterAll(() => rmSync(folder, { recursive: true }));

const key = (step: number, attempt = 0, rank = 0): BatchKey => ({ run: 'r', step, attempt, rank, microBatch: 0 });

const stepsOf = async (store: SqliteStore) =>
  (await store.steps('r', ALL, 500)).map(({ step, attempt, loss }) => [step, attempt, loss]);

test('a run that resumed ends where its newest attempt ends, whatever was recorded behind that', async () => {
  const store = new SqliteStore(':memory:');
  for (let step = 0; step <= 30; step++) await store.record(key(step), recording(step === 30 ? Number.NaN : 9));
  expect(await store.run('r')).toMatchObject({ steps: 31, nonFiniteSteps: 1, last: { step: 30, loss: Number.NaN } });
  for (let step = 20; step <= 24; step++) {
    await store.record(key(step, 1), recording(step / 10));
    const last = { step, loss: step / 10 };
    expect(await store.run('r')).toMatchObject({ steps: step + 1, nonFiniteSteps: 0, last });
    expect(await store.newest(5)).toEqual([{ run: 'r', last }]);
  }
  expect((await stepsOf(store)).slice(-6)).toEqual([
    [19, 0, 9],
    [20, 1, 2],
    [21, 1, 2.1],
    [22, 1, 2.2],
    [23, 1, 2.3],
    [24, 1, 2.4],
  ]);
  expect(await store.pickSteps('r', ALL, 500)).toEqual(Array.from({ length: 25 }, (_, step) => step));
  expect((await store.run('r'))!.best).toEqual({ step: 20, loss: 2 });
  expect((await store.run('r'))!.batches).toBe(36);
  expect((await store.changes(0, 100)).changed.map(({ step }) => step.step)).not.toContain(30);
  const batches = (await Array.fromAsync(batchPages(store, 'r', ALL))).flat();
  expect(batches.map(({ step }) => step)).toEqual(Array.from({ length: 25 }, (_, k) => k));
  await store.close();
});

test('a batch of an attempt that a later one superseded is refused, at the step and behind it', async () => {
  const store = new SqliteStore(':memory:');
  for (const step of [10, 20, 30]) await store.record(key(step), recording(1));
  await store.record(key(20, 2), recording(2));
  const late: [BatchKey, Outcome][] = [
    [key(10), 'repeated'],
    [key(15), 'created'],
    [key(20, 1), 'superseded'],
    [key(20), 'superseded'],
    [key(25, 1), 'superseded'],
    [key(30), 'superseded'],
    [key(25, 2), 'created'],
  ];
  for (const [batch, outcome] of late) {
    expect(await store.record(batch, recording(1)), JSON.stringify(batch)).toBe(outcome);
  }
  expect(await store.attemptOf('r', 31)).toBe(2);
  expect(await store.attemptOf('r', 19)).toBe(0);
  expect(await store.attemptOf('r', 9)).toBeUndefined();
  await store.close();
});

/** A file with a run `r` of many steps, written at once: the last two are not finite, and of the given attempt. */
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

test('steps of the same or a higher attempt behind the superseded ones stay', async () => {
  const store = new SqliteStore(await withSteps(MOST_DROPPED + 10, 2));
  expect(await store.record(key(4, 1), recording(1))).toBe('created');
  expect(await store.run('r')).toMatchObject({ steps: 7, nonFiniteSteps: 2, last: { step: MOST_DROPPED + 9 } });
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
  // Each transaction drops a part of the steps, and records one of the others.
  expect(others).toBeGreaterThanOrEqual(20);
  expect(await store.run('r')).toMatchObject({ steps: 5, last: { step: 4, loss: 1 } });
  await store.close();
});

test('ranks of a superseded step do not come back with the step', async () => {
  const store = new SqliteStore(':memory:');
  for (const rank of [0, 1, 2]) await store.record(key(30, 0, rank), recording(100 + rank));
  await store.record(key(20, 1), recording(1));
  await store.record(key(30, 1, 1), recording(4));
  expect((await store.steps('r', ALL, 10)).at(-1)).toMatchObject({
    ...{ step: 30, ranks: 1, rankLosses: { min: 4, max: 4 }, complete: false },
  });
  const page = await store.stepPage('r', { step: 30, rank: 0, microBatch: 0 }, 10);
  expect(page).toMatchObject({ batches: 1, missingRanks: [0, 2], ranks: [{ rank: 1, sum: { loss: 4 } }] });
  await store.close();
});

test('in whatever order attempts come, what is left is what the rule says, and the counts are those of what is left', async () => {
  const batch = fc.record({ step: fc.nat({ max: 12 }), attempt: fc.nat({ max: 3 }), bad: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { maxLength: 40 }), async (batches) => {
      const store = new SqliteStore(':memory:');
      let kept: { step: number; attempt: number; bad: boolean }[] = [];
      for (const one of batches) {
        const { step, attempt, bad } = one;
        const outcome = await store.record(key(step, attempt), recording(bad ? Number.NaN : step));
        const isLate = kept.some((other) => other.step <= step && other.attempt > attempt);
        expect(outcome === 'superseded').toBe(isLate);
        if (outcome !== 'created') continue;
        kept = [...kept.filter((other) => other.step < step || other.attempt >= attempt), one];
        kept = kept.filter((other) => other === one || other.step !== step);
      }
      kept.sort((a, b) => a.step - b.step);
      expect(await stepsOf(store)).toEqual(
        kept.map(({ step, attempt, bad }) => [step, attempt, bad ? Number.NaN : step]),
      );
      if (kept.length > 0) {
        expect(await store.run('r')).toMatchObject({
          ...{ steps: kept.length, nonFiniteSteps: kept.filter(({ bad }) => bad).length },
          last: { step: kept.at(-1)!.step },
        });
      }
      await store.close();
    }),
    { numRuns: 200 },
  );
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
