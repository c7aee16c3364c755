/** Sums over the classes of a row, which the functions for float32 and float64 store and `divergence` reads. */
@unmanaged
export class DivergenceSums {
  /** Σ of the terms, each at least 0. */
  terms: f64;
  /** Σ (q − p). For Kullback–Leibler it equals Σ p·d plus the terms, but that sum would cancel where |d| is large. */
  gains: f64;
  /** Σ p */
  total: f64;
}

export const SUMS = changetype<DivergenceSums>(memory.data(24, 16));

export function clearSums(): void {
  SUMS.terms = SUMS.gains = SUMS.total = 0;
}

/** A pair of rows, p and q, and the constants of their terms. */
@unmanaged
export class RowPair {
  /** Addresses of the logits. */
  x: usize;
  y: usize;
  /** Addresses of the exponentials. */
  e: usize;
  f: usize;
  classes: u32;
  /** β of the Jensen–Shannon divergence; 0 for the Kullback–Leibler divergence. */
  beta: f64;
  scale: f64;
  /** (lse_q − lse_p) / scale as a sum of two. */
  shift: f64;
  shiftLow: f64;
  /**
   * Parts of the shift, which is 8·(eighth + eighthLow) + logs / scale. `eighth` is an eighth of the difference of the
   * references, which is always finite; `logs` is the difference of the log S.
   */
  eighth: f64;
  eighthLow: f64;
  logs: f64;
  /** Factor that converts exponentials of q to the unit of those of p. */
  factor: f64;
  /** Power of two that multiplies the Kullback–Leibler terms where their sum leaves the range of float64; else 1. */
  unit: f64;
}

export const PAIR = changetype<RowPair>(memory.data(104, 16));
