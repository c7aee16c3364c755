import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import type { BatchKey } from '../../../src/runs/record.ts';
import { SqliteStore } from '../../../src/runs/sqlite/store.ts';
import { ALL, NEWEST, recording } from '../recordings.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-snapshots-'));
afterAll(() => rmSync(folder, { recursive: true }));

const key = (step: number, others: Partial<BatchKey> = {}): BatchKey => ({
  ...{ run: 'r', step, attempt: 0, rank: 0, microBatch: 0 },
  ...others,
});

/** A connection that writes and one that reads, like those of the service. */
function open(path = join(folder, `${Math.random()}.db`)): { writer: SqliteStore; reader: SqliteStore } {
  const writer = new SqliteStore(path);
  const reader = new SqliteStore(path, Date.now, { access: 'read' });
  onTestFinished(async () => {
    await reader.close();
    await writer.close();
  });
  return { writer, reader };
}

/** A store with a run `r` of many steps, written at once. @param loss SQL of the loss of step n */
async function withSteps(count: number, loss: string): Promise<string> {
  const path = join(folder, `${Math.random()}.db`);
  await new SqliteStore(path).close();
  const database = new DatabaseSync(path);
  database.exec(`BEGIN; INSERT INTO runs (name, created_at, updated_at, ranks, steps) VALUES ('r', 0, 0, 1, ${count});
    WITH RECURSIVE k (n, loss) AS (SELECT 0, ${loss.replaceAll(/\bn\b/g, '0')} UNION ALL SELECT n + 1, ${loss.replaceAll(/\bn\b/g, '(n + 1)')} FROM k WHERE n < ${count - 1})
      INSERT INTO steps SELECT 1, n, 0, x'', x'', loss, 1, loss, 1, NULL, NULL, loss IS NULL, loss IS NULL, '[]',
        NULL, NULL, NULL, 0, n + 1 FROM k;
    UPDATE sequence SET value = ${count}; COMMIT`);
  database.close();
  return path;
}

test.each([
  ['not finite', 'NULL'],
  ['finite', '1 + n % 1000'],
])('a curve of steps that are %s is read while a trainer resumes', async (_, loss) => {
  for (const turns of [0, 1, 2]) {
    const { writer, reader } = open(await withSteps(110_000, loss));
    const reading = reader.pickSteps('r', ALL, 4);
    reading.catch(() => undefined);
    for (let turn = 0; turn < turns; turn++) await nextTurn();
    await writer.record(key(10, { attempt: 1 }), recording(1));
    const picked = await reading;
    expect(picked.every(Number.isInteger), String(picked)).toBe(true);
    expect(picked[0]).toBe(0);
    expect((await reader.stepsAt('r', picked))[0]).toMatchObject({ step: 0 });
  }
});

test('the page of a step that a trainer records anew meanwhile is of one attempt', async () => {
  const { writer, reader } = open();
  const some = Array.from({ length: 10_100 }, (_, microBatch) => ({
    ...{ key: key(5, { rank: 1, microBatch }), recording: recording(1) },
  }));
  await writer.recordAll(some);
  const reading = reader.stepPage('r', { step: 5, rank: 0, microBatch: 0 }, 500);
  reading.catch(() => undefined);
  await writer.record(key(5, { attempt: 1 }), recording(3));
  expect(await reading).toMatchObject({
    ...{ point: { attempt: 1, loss: 3, ranks: 1 }, batches: 1, missingRanks: [1] },
    ranks: [{ rank: 0, sum: { loss: 3 } }],
  });
});

test('the page of a run that vanishes meanwhile is none', async () => {
  const { writer, reader } = open();
  await writer.recordAll(
    Array.from({ length: 10_000 }, (_, microBatch) => ({ key: key(5, { microBatch }), recording: recording(1) })),
  );
  const reading = reader.stepPage('r', { step: 5, rank: 0, microBatch: 0 }, 500);
  await writer.remove('r');
  expect(await reading).toBeUndefined();
});

test('a list of runs leaves out one that is removed meanwhile, and goes on behind it', async () => {
  const { writer, reader } = open();
  for (const run of ['a', 'b', 'c', 'd']) await writer.record(key(1, { run }), recording(1));
  const reading = reader.runs(NEWEST, 3, undefined);
  await writer.remove('b');
  const { runs, next } = await reading;
  expect(runs.map(({ run }) => run)).toEqual(['d', 'c', 'a']);
  expect(next).toBeUndefined();
});

test('changes leave out removed runs, and go on behind them', async () => {
  const { writer, reader } = open();
  const sequence = await reader.sequence();
  for (let step = 0; step < 10; step++) await writer.record(key(step, { run: 'gone' }), recording(1));
  await writer.unlink('gone');
  expect(await reader.changes(sequence, 5)).toEqual({ changed: [], last: sequence + 5, isFull: true });
  await writer.record(key(1, { run: 'kept' }), recording(1));
  expect(await reader.changes(sequence + 5, 100)).toMatchObject({
    ...{ changed: [{ run: 'kept', step: { step: 1 } }], last: sequence + 11, isFull: false },
  });
});
