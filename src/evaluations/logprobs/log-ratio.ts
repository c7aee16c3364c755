/** Functions of the log-ratio r = new − old that stay accurate when r is near 0. */
import { ExactSum } from '../../exact-sum.ts';

/** Magnitude below which e^x − 1 − x is summed as a series: the difference would lose digits. */
const SERIES_BELOW = 0.5;

/** Last power of the series. At the bound the remainder is below 1e-17 of the first term. */
const LAST_POWER = 16;

/** e^x − 1 − x = x²/2 + x³/6 + …, never negative. */
export function expm1Minus(x: number): number {
  if (!(Math.abs(x) < SERIES_BELOW)) return Math.expm1(x) - x;
  let sum = 1;
  for (let power = LAST_POWER; power > 2; power--) sum = 1 + (x / power) * sum;
  return x * (x / 2) * sum;
}

/** Rounding error of the difference a − b: the exact difference is difference + error (Knuth's two-sum). */
export function differenceError(a: number, b: number, difference: number): number {
  const subtracted = difference - a;
  return a - (difference - subtracted) - (b + subtracted);
}

/**
 * Adds e^{2x} − 1. Its linear part 2x is added exactly, because many terms cancel in the mean when the two sides agree.
 * @param exact terms whose sum is x without rounding
 */
export function addSquareMinusOne(total: ExactSum, x: number, exact: ExactSum | number[]): void {
  if (!(Math.abs(x) < SERIES_BELOW)) {
    total.add(Math.expm1(2 * x));
    return;
  }
  for (let times = 0; times < 2; times++) {
    if (exact instanceof ExactSum) total.include(exact);
    else for (const term of exact) total.add(term);
  }
  total.add(expm1Minus(2 * x));
}
