import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findSpikes } from '../../../src/loss/spike.ts';
import { shareOf } from '../../lists.ts';
import { TIMED } from '../../timed.ts';
import { ALL } from '../recordings.ts';
import { makeHistory } from './open.ts';
import { runRow, stepRow } from './rows.ts';

/** Ratios to the median around the one at which a flat curve begins to spike. */
const ratio = fc.oneof(
  { weight: 12, arbitrary: fc.double({ min: 0.99, max: 1.01, noNaN: true }) },
  { weight: 3, arbitrary: fc.double({ min: 1.05, max: 1.07, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(0, -1, 0.5, 1.06, 2, 1e3, Number.NaN, Infinity, -Infinity) },
);

test('each step of a curve is compared with the losses before it, alone and in a page', TIMED, async () => {
  const level = fc.constantFrom(2, -2, 0, 1e-300, -1e-300, 5e-324, 1e300);
  await fc.assert(
    fc.asyncProperty(level, fc.array(ratio, { maxLength: 200, size: 'max' }), async (level, ratios) => {
      const losses = ratios.map((ratio) => level * ratio);
      const steps = losses.map((loss, k) => ({ step: 3 * k, loss, nonFinite: !Number.isFinite(loss) }));
      const history = await makeHistory();
      await history.write(
        { table: 'runs', rows: [runRow({ steps: steps.length, nonFinite: 0 })] },
        { table: 'steps', rows: steps.map(stepRow) },
      );
      const store = await history.open();
      const alone = await store.stepsAt('r', steps.map(({ step }) => step).toReversed());
      const page = await store.steps('r', ALL, 1000);
      await history.close();
      const spikes = findSpikes(losses);
      expect(alone.toReversed().map(({ spike }) => spike)).toEqual(spikes);
      expect(page.map(({ spike }) => spike)).toEqual(spikes);
    }),
    { numRuns: shareOf(60, 4) },
  );
});
