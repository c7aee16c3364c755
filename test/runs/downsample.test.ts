import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pickSteps } from '../../src/runs/downsample.ts';
import type { StepLoss } from '../../src/runs/store.ts';

const loss = fc.oneof(
  { weight: 20, arbitrary: fc.double({ min: 0, max: 20, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Infinity, -Infinity) },
);
/** Steps with gaps; some are not finite though their loss is, for a batch of theirs. */
const curve = fc
  .array(fc.record({ gap: fc.integer({ min: 1, max: 5 }), loss, bad: fc.nat({ max: 50 }) }), { maxLength: 500 })
  .map((points) => {
    let step = 0;
    return points.map(({ gap, loss, bad }): StepLoss => {
      step += gap;
      return { step, loss, nonFinite: bad === 0 || !Number.isFinite(loss) };
    });
  });

test('a curve keeps its ends, its extremes and all that is not finite, in about so many steps', () => {
  fc.assert(
    fc.property(curve, fc.integer({ min: 4, max: 200 }), (losses, maxPoints) => {
      const picked = pickSteps(losses, maxPoints);
      const steps = new Set(picked);
      expect(picked).toEqual(picked.toSorted((a, b) => a - b));
      expect(steps.size).toBe(picked.length);
      const bad = losses.filter(({ nonFinite }) => nonFinite);
      for (const { step } of bad) expect(steps).toContain(step);
      expect(picked.length).toBeLessThanOrEqual(maxPoints + bad.length);
      if (losses.length === 0) return;
      expect(steps).toContain(losses[0]!.step);
      expect(steps).toContain(losses.at(-1)!.step);
      const finite = losses.filter((point) => Number.isFinite(point.loss)).map((point) => point.loss);
      const kept = losses.filter(({ step }) => steps.has(step)).map((point) => point.loss);
      if (finite.length > 0) expect(kept).toEqual(expect.arrayContaining([Math.min(...finite), Math.max(...finite)]));
    }),
  );
});

test('a short curve is as it is', () => {
  const losses = [3, 1, 2].map((value, step) => ({ step, loss: value, nonFinite: false }));
  expect(pickSteps(losses, 4)).toEqual([0, 1, 2]);
});
