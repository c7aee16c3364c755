import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RunStore } from '../../../src/runs/store.ts';
import { ALL } from '../recordings.ts';
import { shareOf } from '../../lists.ts';
import { TIMED } from '../../timed.ts';
import { makeHistory } from './open.ts';
import { runRow, stepRow } from './rows.ts';

interface Step {
  step: number;
  /** Loss; NaN when it is not finite. */
  loss: number;
  nonFinite: boolean;
}

/** Calls `use` with a store that has a run `r` of these steps, written at once. */
async function withSteps<T>(steps: readonly Step[], use: (store: RunStore) => Promise<T>): Promise<T> {
  const history = await makeHistory();
  const nonFinite = steps.filter((step) => step.nonFinite).length;
  await history.write(
    { table: 'runs', rows: [runRow({ steps: steps.length, nonFinite })] },
    { table: 'steps', rows: steps.map(stepRow) },
  );
  try {
    return await use(await history.open());
  } finally {
    await history.close();
  }
}

const loss = fc.oneof(
  { weight: 20, arbitrary: fc.double({ min: 0, max: 20, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Infinity, -Infinity) },
);
/** Steps with gaps. Some are not finite although their loss is finite, because one of their batches is not finite. */
const curve = (minLength = 0) =>
  fc
    .array(fc.record({ gap: fc.integer({ min: 1, max: 5 }), loss, bad: fc.nat({ max: 50 }) }), {
      ...{ minLength, maxLength: 500 },
    })
    .map((points) => {
      let step = 0;
      return points.map(({ gap, loss, bad }): Step => {
        step += gap;
        return { step, loss, nonFinite: bad === 0 || !Number.isFinite(loss) };
      });
    });

test('a sampled curve keeps its ends, its extremes and the steps that are not finite, within its points', async () => {
  await fc.assert(
    fc.asyncProperty(curve(), fc.integer({ min: 4, max: 200 }), async (steps, maxPoints) => {
      const picked = await withSteps(steps, (store) => store.pickSteps('r', ALL, maxPoints));
      expect(picked).toEqual([...new Set(picked)].toSorted((a, b) => a - b));
      expect(picked.length).toBeLessThanOrEqual(maxPoints);
      if (steps.length === 0) return;
      expect(picked).toContain(steps[0]!.step);
      expect(picked).toContain(steps.at(-1)!.step);
      const bad = steps.filter(({ nonFinite }) => nonFinite);
      if (bad.length > 0) expect(picked).toContain(bad[0]!.step);
      if (bad.length <= Math.floor(maxPoints / 2) - 1) {
        for (const { step } of bad) expect(picked).toContain(step);
      }
      const finite = steps.filter((point) => Number.isFinite(point.loss)).map((point) => point.loss);
      const kept = steps.filter(({ step }) => picked.includes(step)).map((point) => point.loss);
      // With four points, the ends and a non-finite step may leave no room for both extremes.
      if (maxPoints === 4 && bad.length > 0) return;
      if (finite.length > 0) expect(kept).toEqual(expect.arrayContaining([Math.min(...finite), Math.max(...finite)]));
    }),
    { numRuns: shareOf(60, 5) },
  );
});

test('a step is judged alike among some steps, in any order, and among all', async () => {
  const order = fc.array(fc.nat({ max: 1500 }), { minLength: 10, maxLength: 100 });
  await fc.assert(
    fc.asyncProperty(curve(150), order, async (points, wanted) => {
      // The curve has spikes: single ones, and the steps after a jump until the window has passed it.
      const steps = points.map((point) => ({
        ...point,
        loss: point.loss > 19 ? 100 : (point.step < 300 ? 1 : 10) + point.loss / 1000,
      }));
      await withSteps(steps, async (store) => {
        const all = new Map((await store.steps('r', ALL, 1000)).map((point) => [point.step, point]));
        for (const asked of [wanted, wanted.toSorted((a, b) => a - b)])
          expect(await store.stepsAt('r', asked)).toEqual(asked.flatMap((step) => all.get(step) ?? []));
      });
    }),
    { numRuns: shareOf(60, 5) },
  );
});

test('a short curve is as it is', async () => {
  const steps = [3, 1, 2].map((loss, step) => ({ step, loss, nonFinite: false }));
  expect(await withSteps(steps, (store) => store.pickSteps('r', ALL, 4))).toEqual([0, 1, 2]);
});

const count = shareOf(200_000, 2);

test(`a curve of ${count} steps that are not finite shows the ends of groups of them, at once`, TIMED, async () => {
  const steps = Array.from({ length: count }, (_, step) => ({ step, loss: Number.NaN, nonFinite: true }));
  await withSteps(steps, async (store) => {
    const started = performance.now();
    expect(await store.pickSteps('r', ALL, 4)).toEqual([0, count - 1]);
    expect(await store.pickSteps('r', ALL, 6)).toEqual([0, count / 2 - 1, count / 2, count - 1]);
    expect((await store.pickSteps('r', ALL, 1000)).length).toBeLessThanOrEqual(1000);
    expect(await store.stepsAt('r', [0, count - 1])).toMatchObject([{ spike: false }, { spike: false }]);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
