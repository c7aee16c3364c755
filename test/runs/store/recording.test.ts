import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { BatchKey } from '../../../src/runs/record.ts';
import { batchPages } from '../../../src/runs/store.ts';
import { shareOf } from '../../lists.ts';
import { ALL, NEWEST, recording } from '../recordings.ts';
import { makeHistory, openStore } from './open.ts';

const key = (step: number, rank = 0, microBatch = 0, attempt = 0): BatchKey => ({
  ...{ run: 'r', step, rank, microBatch, attempt },
});

test('NaN and the infinities come back as they were, also after it was closed', async () => {
  const values = [Number.NaN, Infinity, -Infinity, 5e-324, 1.7976931348623157e308];
  const history = await makeHistory();
  const store = await history.open();
  for (const [step, value] of values.entries()) await store.record(key(step), recording(value));
  const again = await history.open();
  expect((await again.steps('r', ALL, 100)).map(({ numerator }) => numerator)).toEqual(values);
  expect((await Array.fromAsync(batchPages(again, 'r', ALL))).flat().map(({ numerator }) => numerator)).toEqual(values);
});

test('the order in which batches come does not show in the bits of a step, nor in the counts of a run', async () => {
  const batch = fc.record({
    step: fc.nat({ max: 3 }),
    rank: fc.nat({ max: 3 }),
    microBatch: fc.nat({ max: 2 }),
    numerator: fc.double({ min: -1e10, max: 1e10, noNaN: true }),
  });
  const batches = fc.uniqueArray(batch, {
    selector: ({ step, rank, microBatch }) => `${step} ${rank} ${microBatch}`,
    minLength: 1,
    maxLength: 30,
  });
  const store = await openStore(() => 0);
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(batches, fc.infiniteStream(fc.nat()), async (given, order) => {
      const results = [];
      const names = [`a${runs}`, `b${runs++}`];
      for (const [k, some] of [given, given.toSorted(() => (order.next().value % 2 === 0 ? 1 : -1))].entries()) {
        const run = names[k]!;
        for (const { step, rank, microBatch, numerator } of some) {
          expect(await store.record({ ...key(step, rank, microBatch), run }, recording(numerator, 3))).toBe('created');
        }
        const steps = (await store.steps(run, ALL, 100)).map((point) => ({ ...point, sequence: 0 }));
        results.push({ steps, run: { ...(await store.run(run)), run: '' } });
      }
      expect(results[1]).toEqual(results[0]);
    }),
    { numRuns: shareOf(50, 4) },
  );
});

test('the best loss is that of the steps as they are now', async () => {
  const store = await openStore();
  await store.record(key(1), recording(3));
  await store.record(key(2), recording(1));
  expect((await store.run('r'))!.best).toEqual({ step: 2, loss: 1 });
  await store.record(key(2, 1), recording(9));
  expect((await store.run('r'))!.best).toEqual({ step: 1, loss: 3 });
});

test('what changed is told over all runs, each step once, in its newest state', async () => {
  const store = await openStore();
  await store.record(key(1), recording(1));
  const seen = await store.sequence();
  await store.record({ ...key(7), run: 'other' }, recording(2));
  await store.record(key(2), recording(1));
  await store.record(key(2, 1), recording(3));
  const { changed: changes } = await store.changes(seen, 10);
  expect(changes.map(({ run, step }) => [run, step.step, step.loss])).toEqual([
    ['other', 7, 2],
    ['r', 2, 2],
  ]);
});

test('a removed run is gone at once, and another of its name begins anew', async () => {
  const history = await makeHistory();
  const store = await history.open();
  for (let step = 0; step < 1200; step++) await store.record(key(step), recording(1));
  const before = await store.idOf('r');
  const removing = store.remove('r');
  const removed = await removing;
  expect(removed).toBe(true);
  expect(await store.run('r')).toBeUndefined();
  expect((await store.runs(NEWEST, 10, undefined)).runs).toEqual([]);
  expect(await store.remove('r')).toBe(false);
  await store.record(key(5), recording(2));
  expect(await store.run('r')).toMatchObject({ steps: 1, batches: 1, last: { step: 5, loss: 2 } });
  expect(await store.idOf('r')).toBeGreaterThan(before!);
  await store.remove('r');
  await store.start();
  const rows = async (): Promise<number> => {
    const tables = history.tables();
    let count = 0;
    await tables.read(async (some) => void (count += some.rows.length));
    await tables.close();
    return count;
  };
  await expect.poll(rows, { timeout: 10_000 }).toBe(0);
});
