import { expect, test } from 'vitest';
import { differenceError, expm1Minus } from '../../../src/evaluations/logprobs/log-ratio.ts';
import { d } from '../../precision/exact.ts';

const SIZES = [1e-300, 1e-160, 1e-20, 1e-8, 1e-5, 0.01, 0.3, 0.4999999, 0.5, 0.51, 1, 5, 40, 300, 709];

test.each(SIZES.flatMap((size) => [size, -size]))('e^x − 1 − x keeps its digits at x = %d', (x) => {
  const exact = d(x).exp().minus(1).minus(d(x));
  const value = expm1Minus(x);
  // Squares below the least float64 are 0.
  if (Math.abs(x) < 1e-154) expect(value).toBe(0.5 * x * x);
  else expect(d(value).minus(exact).abs().div(exact).toNumber()).toBeLessThan(1e-15);
});

test('e^x − 1 − x is 0 at 0 and Infinity where e^x overflows', () => {
  expect([0, -0, 710, 1e290, -1e290].map(expm1Minus)).toEqual([0, 0, Infinity, Infinity, 1e290]);
});

test('the error of a difference is what its rounding left out', () => {
  for (const [a, b] of [
    [-0.1, -3e-20],
    [-1e-17, -1],
    [-7.1, -0.3],
    [-1e290, -1],
    [-0.5, -0.25],
  ] as const) {
    const difference = a - b;
    expect(
      d(difference)
        .plus(d(differenceError(a, b, difference)))
        .eq(d(a).minus(d(b))),
    ).toBe(true);
  }
});
