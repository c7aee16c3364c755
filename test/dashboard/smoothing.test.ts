import fc from 'fast-check';
import { expect, test } from 'vitest';
import { smooth } from '../../dashboard/src/series/smoothing.ts';

const finite = fc.double({ min: -1e6, max: 1e6, noNaN: true });
const weight = fc.double({ min: 0, max: 0.99, noNaN: true });

test('without a weight nothing is smoothed', () => {
  expect(smooth([3, 1, 2], 0)).toEqual([3, 1, 2]);
});

test('a value weighs less with each that follows', () => {
  expect(smooth([1, 4], 0.5)).toEqual([1, (0.5 * 1 + 4) / 1.5]);
});

test('a constant stays what it is, from the first value on', () => {
  fc.assert(
    fc.property(finite, weight, fc.integer({ min: 1, max: 50 }), (value, weight, length) => {
      for (const smoothed of smooth(
        Array.from({ length }, () => value),
        weight,
      )) {
        expect(smoothed).toBeCloseTo(value, 5);
      }
    }),
  );
});

test('what is not finite leaves a gap, and does not touch what comes after', () => {
  const broken = fc.constantFrom(NaN, Infinity, -Infinity);
  fc.assert(
    fc.property(fc.array(fc.oneof(finite, broken)), weight, (values, weight) => {
      const smoothed = smooth(values, weight);
      expect(smoothed.map((value) => value === null)).toEqual(values.map((value) => !Number.isFinite(value)));
      expect(smoothed.filter((value) => value !== null)).toEqual(smooth(values.filter(Number.isFinite), weight));
    }),
  );
});
