import { HISTOGRAM_BINS, LEFT_OUT } from '../../kernels/loader.ts';
import type { BlockSurvey } from '../../kernels/loader.ts';

/** The exponent that stands in the field of a float64 as 0. */
const EXPONENT_BIAS = 1023;

/** A row and the Euclidean norm of its finite values. */
export interface RowNorm {
  row: number;
  norm: number;
}

/** What stands in the counted rows of a tensor, whatever it means. */
export interface Survey {
  /** How many finite values other than 0 have which exponent field as float64: ⌊log2 |x|⌋ + 1023. */
  exponents: Float64Array;
  zeros: number;
  /** Of finite values; −Infinity and Infinity when there is none. */
  maximum: number;
  minimum: number;
  smallest: RowNorm | undefined;
  largest: RowNorm | undefined;
  /** Per column in how many rows it is not finite; undefined while it is so in none. */
  badInColumn: Float64Array | undefined;
}

export function emptySurvey(): Survey {
  return {
    exponents: new Float64Array(HISTOGRAM_BINS),
    zeros: 0,
    maximum: -Infinity,
    minimum: Infinity,
    smallest: undefined,
    largest: undefined,
    badInColumn: undefined,
  };
}

/** What a kernel said of a block, over the rows that are not left out. */
export function surveyOf(block: BlockSurvey, targets: Int32Array, firstRow: number): Survey {
  const { exponents, zeros, norms, maximum, minimum, badInColumn } = block;
  const survey = { ...emptySurvey(), exponents: Float64Array.from(exponents), zeros };
  targets.forEach((target, k) => {
    if (target === LEFT_OUT) return;
    survey.maximum = Math.max(survey.maximum, maximum[k]!);
    survey.minimum = Math.min(survey.minimum, minimum[k]!);
    const norm = { row: firstRow + k, norm: norms[k]! };
    survey.smallest = firstOf(survey.smallest, norm, (a, b) => a < b);
    survey.largest = firstOf(survey.largest, norm, (a, b) => a > b);
  });
  if (badInColumn.some((rows) => rows > 0)) survey.badInColumn = Float64Array.from(badInColumn);
  return survey;
}

/** Adds what stands in other rows; in whatever order that comes. */
export function addSurvey(all: Survey, next: Survey): void {
  next.exponents.forEach((count, bin) => {
    all.exponents[bin]! += count;
  });
  all.zeros += next.zeros;
  all.maximum = Math.max(all.maximum, next.maximum);
  all.minimum = Math.min(all.minimum, next.minimum);
  all.smallest = firstOf(all.smallest, next.smallest, (a, b) => a < b);
  all.largest = firstOf(all.largest, next.largest, (a, b) => a > b);
  if (next.badInColumn === undefined) return;
  const bad = (all.badInColumn ??= new Float64Array(next.badInColumn.length));
  next.badInColumn.forEach((rows, column) => {
    bad[column]! += rows;
  });
}

/** The row whose norm goes before; of equals the first. */
function firstOf(
  a: RowNorm | undefined,
  b: RowNorm | undefined,
  before: (a: number, b: number) => boolean,
): RowNorm | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (a.norm === b.norm) return a.row < b.row ? a : b;
  return before(a.norm, b.norm) ? a : b;
}

/** A histogram by powers of two: how many values have 2^exponent ≤ |x| < 2^(exponent + 1). Empty bins are left out. */
export function magnitudesOf({ exponents }: Survey): { exponent: number; count: number }[] {
  return Array.from(exponents, (count, bin) => ({ exponent: bin - EXPONENT_BIAS, count })).filter(
    ({ count }) => count > 0,
  );
}

/** How many values are below the least power of two that is normal. */
export function subnormalsOf({ exponents }: Survey, leastNormalExponent: number): number {
  return exponents.subarray(0, leastNormalExponent + EXPONENT_BIAS).reduce((sum, count) => sum + count, 0);
}

/** The columns that are not finite in the most rows, of equals the first. */
export function hotSpotsOf({ badInColumn }: Survey, most: number): { column: number; rows: number }[] {
  const bad: { column: number; rows: number }[] = [];
  badInColumn?.forEach((rows, column) => {
    if (rows > 0) bad.push({ column, rows });
  });
  return bad.toSorted((a, b) => b.rows - a.rows || a.column - b.column).slice(0, most);
}
