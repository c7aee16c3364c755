import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findSpikes } from '../../../src/loss/spike.ts';
import type { AttemptPage, AttemptQuery } from '../../../src/runs/attempt-steps.ts';
import type { BatchKey } from '../../../src/runs/record.ts';
import { shareOf } from '../../lists.ts';
import { recording } from '../recordings.ts';
import { openStore } from './open.ts';

const key = (step: number, attempt: number, rank = 0): BatchKey => ({ run: 'r', step, attempt, rank, microBatch: 0 });

const all = (attempt: number, others: Partial<AttemptQuery> = {}): AttemptQuery => ({
  ...{ attempt, from: 0, to: Number.MAX_SAFE_INTEGER, maxPoints: undefined, limit: 500 },
  ...others,
});

test('in whatever order attempts come, each attempt has all of its steps, judged by its own', async () => {
  const store = await openStore();
  const batch = fc.record({ step: fc.nat({ max: 40 }), attempt: fc.nat({ max: 3 }), loss: fc.constantFrom(1, 9, NaN) });
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { minLength: 20, maxLength: 120 }), async (batches) => {
      const run = `r${runs++}`;
      const items = batches.map(({ step, attempt, loss }) => ({
        key: { ...key(step, attempt), run },
        recording: recording(loss),
      }));
      const outcomes = await store.recordMany(items);
      for (const attempt of [0, 1, 2, 3]) {
        const own = batches.filter((one, k) => one.attempt === attempt && outcomes[k] === 'created');
        own.sort((a, b) => a.step - b.step);
        const spikes = findSpikes(own.map(({ loss }) => loss));
        const expected = own.map(({ step, loss }, k) => [step, attempt, loss, spikes[k]]);
        const points: unknown[][] = [];
        for (let from: number | undefined = 0; from !== undefined;) {
          const page: AttemptPage = (await store.attemptSteps(run, all(attempt, { from, limit: 7 })))!;
          points.push(...page.points.map((point) => [point.step, point.attempt, point.loss, point.spike]));
          from = page.next;
        }
        expect(points).toEqual(expected);
        const sample = await store.attemptSteps(run, all(attempt, { maxPoints: 8 }));
        const sampled = sample!.points.map((point) => [point.step, point.attempt, point.loss, point.spike]);
        expect(sampled.length).toBeLessThanOrEqual(8);
        for (const one of sampled) expect(expected).toContainEqual(one);
        if (own.length <= 8) expect(sampled).toEqual(expected);
        else expect([sampled[0], sampled.length]).toEqual([expected[0], expect.any(Number)]);
      }
    }),
    { numRuns: shareOf(60, 4) },
  );
});

test('a superseded branch keeps its ranks, its spike, and its least and greatest loss in a sample', async () => {
  const store = await openStore();
  const lossAt = (step: number): number =>
    step === 700 ? 50 : step === 300 ? 0.5 : step === 500 ? NaN : 2 + step / 1e4;
  for (const rank of [0, 1]) {
    const items = Array.from({ length: 1000 }, (_, step) => ({
      key: key(step, 0, rank),
      recording: recording(lossAt(step)),
    }));
    await store.recordMany(items);
  }
  await store.recordMany([{ key: key(200, 1), recording: recording(1) }]);
  const { points } = (await store.attemptSteps('r', all(0, { maxPoints: 24 })))!;
  const found = new Map(points.map((point) => [point.step, point]));
  expect(points.length).toBeLessThanOrEqual(24);
  expect(found.get(700)).toMatchObject({ loss: 50, spike: true, complete: true, ranks: 2 });
  expect(found.get(500)).toMatchObject({ nonFinite: true, spike: false });
  expect([...found.keys()]).toEqual(expect.arrayContaining([0, 300, 500, 700, 999]));
  expect((await store.attemptSteps('r', all(1)))!.points).toMatchObject([{ step: 200, attempt: 1, loss: 1 }]);
  expect((await store.attemptSteps('r', all(7)))!.points).toEqual([]);
  expect(await store.attemptSteps('unknown', all(0))).toBeUndefined();
});
