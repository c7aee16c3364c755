import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SPIKE_RULE, findSpikes, spikeThreshold } from '../../src/loss/spike.ts';
import { seededRandom } from '../rows.ts';

/** A curve that falls from 10 to 2, with noise. */
function curve(steps: number, noise = 0.05): number[] {
  const random = seededRandom(5);
  return Array.from({ length: steps }, (_, k) => 2 + 8 * Math.exp(-k / 100) + noise * (random() + random() - 1));
}

const spikesOf = (losses: readonly number[]): number[] =>
  findSpikes(losses).flatMap((isSpike, step) => (isSpike ? [step] : []));

test('a falling, noisy curve has none', () => {
  expect(spikesOf(curve(2000))).toEqual([]);
});

test('a jump is one, the way back is none, and it hides no second one', () => {
  const losses = curve(600);
  for (const step of [300, 301, 310]) losses[step]! += 3;
  expect(spikesOf(losses)).toEqual([300, 301, 310]);
});

test('a loss that stays high is a spike until it is half of the window', () => {
  const losses = curve(1000, 0.01).map((loss, step) => (step < 500 ? loss : loss + 5));
  const spikes = spikesOf(losses);
  expect(spikes[0]).toBe(500);
  expect(spikes).toHaveLength(SPIKE_RULE.window / 2);
});

test('what is not finite is no spike, and none of the losses that others are held against', () => {
  const losses = curve(400);
  const broken = losses.toSpliced(300, 0, Number.NaN, Infinity, Number.NaN);
  losses[350]! += 3;
  broken[353]! += 3;
  expect(spikesOf(losses)).toEqual([350]);
  expect(spikesOf(broken)).toEqual([353]);
});

test('with too few losses before it nothing is a spike', () => {
  const few = Array.from({ length: SPIKE_RULE.minimum - 1 }, () => 1);
  expect(spikeThreshold(few)).toBeUndefined();
  expect(spikesOf([...few, 1000])).toEqual([]);
  expect(spikesOf([...few, 1, 1000])).toEqual([SPIKE_RULE.minimum]);
});

test('on a curve as flat as a ruler a hundredth of it is the deviation', () => {
  const flat = Array.from({ length: 100 }, () => 2);
  expect(spikeThreshold(flat)).toBeCloseTo(2.12, 12);
  expect(spikesOf([...flat, 2.119, 2.121])).toEqual([101]);
});

test('the threshold is that of the formula', () => {
  // The median is 8.5. The deviations from it are 0.5, 0.5, 1.5, 1.5 …, with the median 4.
  const losses = Array.from({ length: 16 }, (_, k) => k + 1);
  expect(spikeThreshold(losses)).toBeCloseTo(8.5 + 6 * 1.4826 * 4, 12);
});

test('neither the unit of the losses nor the order within the window matters', () => {
  const losses = fc.array(fc.double({ min: 0.1, max: 20, noNaN: true }), { minLength: 16, maxLength: 64 });
  fc.assert(
    fc.property(losses, fc.double({ min: 0.01, max: 100, noNaN: true }), (values, unit) => {
      const threshold = spikeThreshold(values)!;
      expect(spikeThreshold(values.map((loss) => unit * loss))! / (unit * threshold)).toBeCloseTo(1, 9);
      expect(spikeThreshold(values.toReversed())).toBe(threshold);
    }),
  );
});
