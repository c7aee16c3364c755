import { HISTOGRAM_BINS, LEFT_OUT } from '../../kernels/abi.ts';
import type { BlockSurvey } from '../../kernels/block.ts';
import { inSteps } from '../steps.ts';
import type { Steps } from '../steps.ts';

/** Bias of the exponent field of a float64: field k stands for the exponent k − 1023. */
const EXPONENT_BIAS = 1023;

/** A row and the Euclidean norm of its finite values. */
interface RowNorm {
  row: number;
  norm: number;
}

/** Norms, extremes and counts of the values in the counted rows of a tensor. */
export interface Survey {
  /** Number of finite values other than 0 by their exponent field as float64: ⌊log2 |x|⌋ + 1023. */
  exponents: Float64Array;
  zeros: number;
  /** Extremes of the finite values; −Infinity and Infinity when there are none. */
  maximum: number;
  minimum: number;
  smallest: RowNorm | undefined;
  largest: RowNorm | undefined;
}

/** Number of counted rows with a non-finite value, per column. Shared by all threads. */
export type BadInColumn = Int32Array<SharedArrayBuffer>;

export function makeBadInColumn(columns: number): BadInColumn {
  return new Int32Array(new SharedArrayBuffer(columns * Int32Array.BYTES_PER_ELEMENT));
}

export function emptySurvey(): Survey {
  return {
    exponents: new Float64Array(HISTOGRAM_BINS),
    zeros: 0,
    maximum: -Infinity,
    minimum: Infinity,
    smallest: undefined,
    largest: undefined,
  };
}

/** The survey of a block, over the rows that are not left out. */
export function surveyOf(block: BlockSurvey, targets: Int32Array, firstRow: number): Survey {
  const { exponents, zeros, norms, maximum, minimum } = block;
  const survey = { ...emptySurvey(), exponents: Float64Array.from(exponents), zeros };
  targets.forEach((target, k) => {
    if (target === LEFT_OUT) return;
    survey.maximum = Math.max(survey.maximum, maximum[k]!);
    survey.minimum = Math.min(survey.minimum, minimum[k]!);
    const norm = { row: firstRow + k, norm: norms[k]! };
    survey.smallest = firstOf(survey.smallest, norm, (a, b) => a < b);
    survey.largest = firstOf(survey.largest, norm, (a, b) => a > b);
  });
  return survey;
}

/** Adds the survey of other rows, in any order. */
export function addSurvey(all: Survey, next: Survey): void {
  next.exponents.forEach((count, bin) => {
    all.exponents[bin]! += count;
  });
  all.zeros += next.zeros;
  all.maximum = Math.max(all.maximum, next.maximum);
  all.minimum = Math.min(all.minimum, next.minimum);
  all.smallest = firstOf(all.smallest, next.smallest, (a, b) => a < b);
  all.largest = firstOf(all.largest, next.largest, (a, b) => a > b);
}

/** The row whose norm comes first by `before`, or the first row when the norms are equal. */
function firstOf(
  a: RowNorm | undefined,
  b: RowNorm | undefined,
  before: (a: number, b: number) => boolean,
): RowNorm | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (a.norm === b.norm) return a.row < b.row ? a : b;
  return before(a.norm, b.norm) ? a : b;
}

/**
 * Histogram by powers of two: the number of values with 2^exponent ≤ |x| < 2^(exponent + 1). Empty bins are left out.
 */
export function magnitudesOf({ exponents }: Survey): { exponent: number; count: number }[] {
  return Array.from(exponents, (count, bin) => ({ exponent: bin - EXPONENT_BIAS, count })).filter(
    ({ count }) => count > 0,
  );
}

/** Number of values below the smallest normal power of two. */
export function subnormalsOf({ exponents }: Survey, leastNormalExponent: number): number {
  return exponents.subarray(0, leastNormalExponent + EXPONENT_BIAS).reduce((sum, count) => sum + count, 0);
}

/** A column, and the number of rows in which it is not finite. */
interface HotSpot {
  column: number;
  rows: number;
}

/** Columns with a non-finite value. */
export interface BadColumns {
  /** Number of these columns, and number of columns that are bad in more than half of the rows. */
  bad: number;
  inMostRows: number;
  /** Columns that are bad in the most rows, in descending order; ties in column order. */
  worst: HotSpot[];
}

/**
 * @param badInColumn undefined when every value is finite
 * @param rows number of counted rows
 * @param most maximum number of columns to name
 */
export function* findBadColumns(badInColumn: BadInColumn | undefined, rows: number, most: number): Steps<BadColumns> {
  const found: BadColumns = { bad: 0, inMostRows: 0, worst: [] };
  if (badInColumn === undefined) return found;
  const { worst } = found;
  let least = 0;
  yield* inSteps(badInColumn.length, (from, to) => {
    for (let column = from; column < to; column++) {
      const bad = badInColumn[column]!;
      if (bad === 0) continue;
      found.bad++;
      if (bad > rows / 2) found.inMostRows++;
      if (bad <= least) continue;
      if (worst.length === most) worst.pop();
      let at = worst.length;
      while (at > 0 && worst[at - 1]!.rows < bad) at--;
      worst.splice(at, 0, { column, rows: bad });
      if (worst.length === most) least = worst[most - 1]!.rows;
    }
  });
  return found;
}
