import { ExactSum } from '../exact-sum.ts';
import { inSteps } from '../steps.ts';
import type { Steps } from '../steps.ts';

/** Counted rows and their weights. */
export interface CountedRows {
  /** Indices of the counted rows, ascending. */
  readonly rows: Int32Array;
  /** Mask m of each row of the batch; undefined when all are 1. */
  readonly masks: Float64Array | undefined;
  /** Σ m over counted rows. */
  readonly weight: number;
}

/** Rows of a step; an exact sum takes about 200 ns per row. */
const ROWS_PER_STEP = 2 ** 12;

/** Sum of a term over the counted rows, rounded once. It does not depend on the division of the rows into blocks. */
export function* sumOver({ rows }: CountedRows, term: (row: number) => number): Steps<number> {
  const sum = ExactSum.of();
  const addRows = (from: number, to: number): void => {
    for (let k = from; k < to; k++) sum.add(term(rows[k]!));
  };
  yield* inSteps(rows.length, addRows, ROWS_PER_STEP);
  // A statistic needs many sums, so other requests can be served between them.
  yield;
  return sum.value;
}

/** Mean, weighted by the mask, and its standard error √(n/(n−1)·Σ m²(x−μ)²) / Σ m. */
export interface MeanAndError {
  /** NaN without counted rows, and when Σ m is infinite. */
  readonly mean: number;
  /** NaN for fewer than two counted rows, and when the mean or the error is not finite. */
  readonly standardError: number;
}

export function* meanOf(counted: CountedRows, value: (row: number) => number): Steps<MeanAndError> {
  const { rows } = counted;
  const { weight, maskOf } = scaledMasks(counted);
  if (weight === Infinity) return { mean: Number.NaN, standardError: Number.NaN };
  const mean = (yield* sumOver(counted, (row) => maskOf(row) * value(row))) / weight;
  const n = rows.length;
  if (n < 2 || !Number.isFinite(mean)) return { mean, standardError: Number.NaN };
  const squares = yield* sumOver(counted, (row) => (maskOf(row) * (value(row) - mean)) ** 2);
  const error = Math.sqrt((n / (n - 1)) * squares) / weight;
  return { mean, standardError: Number.isFinite(error) ? error : Number.NaN };
}

/** Covariance of two means, in the form of the square of a standard error. */
export function* covarianceOf(
  counted: CountedRows,
  [x, meanX]: readonly [value: (row: number) => number, mean: number],
  [y, meanY]: readonly [value: (row: number) => number, mean: number],
): Steps<number> {
  const n = counted.rows.length;
  const { weight, maskOf } = scaledMasks(counted);
  const products = yield* sumOver(counted, (row) => maskOf(row) ** 2 * ((x(row) - meanX) * (y(row) - meanY)));
  return (n / (n - 1)) * (products / weight ** 2);
}

/** Largest exponent of the factor of masks: both the factor and its inverse are in the range of float64. */
const MOST_EXPONENT = 1000;

/**
 * Masks and their sum, times a power of two that brings the sum near 1: squares of masks do not leave the range of
 * float64, and all other digits remain.
 */
export function scaledMasks({ masks, weight }: CountedRows): { weight: number; maskOf: (row: number) => number } {
  if (masks === undefined || !(weight > 0 && weight < Infinity)) return { weight, maskOf: (row) => masks?.[row] ?? 1 };
  const exponent = Math.max(-MOST_EXPONENT, Math.min(MOST_EXPONENT, Math.floor(Math.log2(weight))));
  const factor = 2 ** -exponent;
  return { weight: factor * weight, maskOf: (row) => factor * masks[row]! };
}
