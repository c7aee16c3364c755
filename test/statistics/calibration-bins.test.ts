import { expect, test } from 'vitest';
import { CalibrationBins } from '../../src/statistics/calibration-bins.ts';

/** Sum of the gaps of a miss and a hit, which partly cancel when both share a bin. */
function errorOf(miss: number, hit: number): number {
  const bins = new CalibrationBins();
  bins.add(1, miss, false);
  bins.add(1, hit, true);
  // The error is a mean over two rows of weight 1.
  return 2 * bins.error;
}

test.each([
  [1, 0.95],
  [1, 14.001 / 15],
  [0.2, 0.15],
  [0.001, 1 / 15],
])('confidences %d and %d share a bin', (miss, hit) => {
  expect(errorOf(miss, hit)).toBeCloseTo(Math.abs(1 - hit - miss), 12);
});

test.each([
  [0.2, 0.21],
  [1, 14 / 15],
  [0.05, 0.07],
])('confidences %d and %d do not: a bin has its upper end, and not its lower', (miss, hit) => {
  expect(errorOf(miss, hit)).toBeCloseTo(miss + (1 - hit), 12);
});
