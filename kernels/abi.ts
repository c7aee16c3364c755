/** Numbers that both languages use: AssemblyScript compiles this file, Node.js runs it. */

/** Target of a row without a class to score: its lse is computed, its nll is 0. */
export const NO_TARGET: i32 = -1;

/** Target of a row that is left out: only its non-finite values are counted. */
export const LEFT_OUT: i32 = -2;

/** Kinds of non-finite values, as bits. */
export class NonFinite {
  static readonly nan: u32 = 1;
  static readonly posInf: u32 = 2;
  static readonly negInf: u32 = 4;
  static readonly any: u32 = 7;
}

/** Validity flags of a row of class probabilities, as bits. */
export class Odd {
  static readonly notOne: i32 = 1;
  static readonly negative: i32 = 2;
  static readonly nonFinite: i32 = 4;
}

/** Greatest distance from 1 of a valid row's sum of probabilities. */
export const SUM_TOLERANCE: f64 = 1e-3;

/** Bins of a histogram: the exponent fields of float64, in which every narrower float is normal. */
export const HISTOGRAM_BINS: u32 = 2048;

/** Numbers of the dtypes that a gradient is rounded to. */
export class NarrowTo {
  static readonly float32: i32 = 0;
  static readonly float16: i32 = 1;
  static readonly bfloat16: i32 = 2;
}

/** Numbers of the divergences whose gradient is computed. */
export class Direction {
  static readonly forward: i32 = 0;
  static readonly reverse: i32 = 1;
  static readonly mixed: i32 = 2;
}
