import { LEFT_OUT } from '../abi';
import { RowBlockLayout, RowDivergencesLayout as Layout } from '../layouts';
import { sumDivergenceF64, sumDivergenceSlowly } from './divergence-f64';
import { sumDivergence, sumJensenShannon } from './divergence-near-f32';
import { PAIR, SUMS } from './divergence-sums';
import { errorOfDifferenceOne } from './log-ratio';
import { isNearShift } from './pair-values';
import { logSumOf, referenceOf } from './row';
import { load1 } from './storage';

/**
 * Divergence of each row of q from the row of p: the Kullback–Leibler divergence Σ p·log(p/q), or with 0 < β < 1 the
 * Jensen–Shannon divergence β·KL(p‖m) + (1 − β)·KL(q‖m), m = β·p + (1 − β)·q.
 * KL = Σ p·(exp d − 1 − d) with d = log(q/p): every term is at least 0. Reads the results and exponentials of both
 * sides that `keepExponentials` stored.
 * @param series coefficients of the series of both divergences, see series.ts
 * @param out columns of RowDivergences
 */
// @ts-expect-error: decorator
@inline
export function divergence<T>(
  ps: usize, qs: usize, rows: u32, classes: u32, targets: usize, scale: f64, pResults: usize, qResults: usize,
  first: u32, end: u32, pKept: usize, qKept: usize, pOrigins: usize, qOrigins: usize, series: usize, beta: f64,
  out: usize,
): void {
  const n = <usize>rows;
  for (let row = first; row < end; row++) {
    const f64At = <usize>row << 3;
    let infinite: i32 = -1;
    let result: f64 = NaN;
    let excess: f64 = 0;
    SUMS.total = 0;
    if (load<i32>(targets + (<usize>row << 2)) == LEFT_OUT) {
      result = 0;
    } else if (isFinite(load<f64>(pResults + f64At)) && isFinite(load<f64>(qResults + f64At))) {
      setPair<T>(ps, qs, rows, classes, scale, pResults, qResults, first, row, pKept, qKept, pOrigins, qOrigins);
      PAIR.beta = beta;
      const negInfs = load<i32>(qResults + n * RowBlockLayout.negInfCount + (<usize>row << 2));
      if (beta == 0 && negInfs > 0) infinite = firstInfinite<T>(classes);
      if (infinite >= 0) {
        result = Infinity;
        const distance = scale * (referenceOf(pResults, rows, row) - load<f64>(pOrigins + f64At));
        SUMS.total = Math.exp(logSumOf(pResults, rows, row) + distance);
      } else {
        const isBrief = beta != 0 && sumMixed<T>(series);
        if (!isBrief) sumTerms<T>(series);
        const r = SUMS.gains / SUMS.total;
        excess = Math.log1p(r);
        if (beta == 0) {
          const divided = isFinite(SUMS.terms) ? SUMS.terms / SUMS.total : sumBeyond<T>(series);
          result = max(0, divided - excessTerm(r));
        } else if (isBrief) {
          let rest = excess;
          if (abs(rest) > LARGE_EXCESS) {
            addToShift(excess);
            // Finite again: the shift hardly changes.
            sumMixed<T>(series);
            rest = Math.log1p(SUMS.gains / SUMS.total);
            excess += rest;
          }
          result = max(0, withoutExcess(SUMS.terms / SUMS.total, rest, beta));
        } else {
          addToShift(excess);
          sumMixedExactly<T>(series);
          result = max(0, SUMS.terms / SUMS.total);
        }
      }
    }
    store<f64>(out + n * Layout.divergence + f64At, result);
    store<f64>(out + n * Layout.excess + f64At, excess);
    store<f64>(out + n * Layout.total + f64At, SUMS.total);
    store<i32>(out + n * Layout.infinite + (<usize>row << 2), infinite);
  }
}

/** Sets PAIR to the rows of both sides and the constants of their terms, except β. */
// @ts-expect-error: decorator
@inline
export function setPair<T>(
  ps: usize, qs: usize, rows: u32, classes: u32, scale: f64, pResults: usize, qResults: usize, first: u32, row: u32,
  pKept: usize, qKept: usize, pOrigins: usize, qOrigins: usize,
): void {
  const f64At = <usize>row << 3;
  const at = <usize>row * <usize>classes * sizeof<T>();
  const keptAt = <usize>(row - first) * <usize>classes * (sizeof<T>() == 8 ? 8 : 4);
  PAIR.x = ps + at;
  PAIR.y = qs + at;
  PAIR.e = pKept + keptAt;
  PAIR.f = qKept + keptAt;
  PAIR.classes = classes;
  PAIR.scale = scale;
  PAIR.unit = 1;
  setShift(pResults, qResults, rows, row, load<f64>(pOrigins + f64At), load<f64>(qOrigins + f64At));
}

/**
 * Sets (lse_q − lse_p) / scale, its parts, and the factor of q. lse is reference + log S: the references are
 * subtracted without rounding, because an offset of a row would cost digits.
 */
function setShift(
  pResults: usize, qResults: usize, rows: u32, row: u32, pOrigin: f64, qOrigin: f64,
): void {
  const p = referenceOf(pResults, rows, row);
  const q = referenceOf(qResults, rows, row);
  const pLog = logSumOf(pResults, rows, row);
  const qLog = logSumOf(qResults, rows, row);
  const t = q - p;
  const rest = errorOfDifferenceOne(t, q, p) + (qLog - pLog) / PAIR.scale;
  PAIR.shift = t + rest;
  PAIR.shiftLow = t - PAIR.shift + rest;
  PAIR.eighth = q / 8 - p / 8;
  PAIR.eighthLow = errorOfDifferenceOne(PAIR.eighth, q / 8, p / 8);
  PAIR.logs = qLog - pLog;
  PAIR.factor = Math.exp(pLog + PAIR.scale * (p - pOrigin) - (qLog + PAIR.scale * (q - qOrigin)));
}

/** Adds log Σ q to the shift: the rounding of both lse makes Σ q differ from 1. */
export function addToShift(excess: f64): void {
  PAIR.shiftLow += excess / PAIR.scale;
  PAIR.logs += excess;
  PAIR.factor *= Math.exp(-excess);
}

/** Sums of the Kullback–Leibler divergence. */
function sumTerms<T>(series: usize): void {
  if (isNearShift<T>()) {
    if (sizeof<T>() == 8) sumDivergenceF64(series + PLAIN_F64, false);
    else sumDivergence<T>(series);
    if (sizeof<T>() == 8 || isFinite(SUMS.terms + SUMS.gains)) return;
  }
  sumDivergenceSlowly<T>(series + PLAIN_F64, false);
}

/** Sums of the Jensen–Shannon divergence, with their gains. @returns false where float32 does not suffice */
function sumMixed<T>(series: usize): bool {
  if (sizeof<T>() == 8 || !isNearShift<T>()) return false;
  sumJensenShannon<T>(series + MIXED_F32, series + GAINS_F32);
  return isFinite(SUMS.terms + SUMS.gains);
}

/** Sums of the Jensen–Shannon divergence in float64, without gains. */
function sumMixedExactly<T>(series: usize): void {
  if (sizeof<T>() == 8 && isNearShift<T>()) sumDivergenceF64(series + MIXED_F64, true);
  else sumDivergenceSlowly<T>(series + MIXED_F64, true);
}

/** Σ terms / Σ p of a row whose Σ terms overflows float64. In the unit of the exponentials Σ p may be large. */
function sumBeyond<T>(series: usize): f64 {
  PAIR.unit = SMALL_UNIT;
  sumDivergenceSlowly<T>(series + PLAIN_F64, false);
  PAIR.unit = 1;
  return SUMS.terms / SUMS.total / SMALL_UNIT;
}

/** Power of two below 1 / Σ p of any row. */
const SMALL_UNIT: f64 = 2 ** -80;

/**
 * Byte offsets in the series: 8 f32 of Kullback–Leibler, 9 of Jensen–Shannon, 6 of its gains and 9 of log(q/m)/d, then 22
 * f64 of each divergence.
 */
export const MIXED_F32: usize = 32;
const GAINS_F32: usize = 68;
export const RATIOS_F32: usize = 92;
const PLAIN_F64: usize = 128;
const MIXED_F64: usize = 304;

/**
 * Greatest |log Σ q| that `withoutExcess` corrects, because its error is up to 0.3·D·|log Σ q|. A greater one is added to the
 * shift, and the Jensen–Shannon divergence is summed again.
 */
const LARGE_EXCESS: f64 = 5e-7;

/**
 * r − log(1 + r): the increase of the divergence where Σ q is 1 + r instead of 1. Subtracting it removes the errors of
 * both lse.
 */
function excessTerm(r: f64): f64 {
  if (abs(r) < 1e-3) return r * r * (0.5 - r * (1.0 / 3 - r * (0.25 - r * 0.2)));
  return r - Math.log1p(r);
}

/**
 * The Jensen–Shannon divergence D of probabilities from that of p and q·e^η. The derivative by η is βγ·(e^η − 1) + β·D to
 * first and second order in log(q/p), and never off by more than 0.3·D. Its solution is γ·e^(−βη) + β·e^(γη) − 1 = βγ·η²/2
 * + … at D = 0.
 */
function withoutExcess(divergence: f64, excess: f64, beta: f64): f64 {
  const gamma = 1 - beta;
  return divergence * Math.exp(-beta * excess) - beta * gamma * excess * excess * (0.5 + ((gamma - beta) * excess) / 6);
}

/** The first class with q = 0 and p > 0; −1 when there is none. */
function firstInfinite<T>(classes: u32): i32 {
  for (let c: u32 = 0; c < classes; c++) {
    const at = <usize>c * sizeof<T>();
    if (load1<T>(PAIR.y + at) == -Infinity && load1<T>(PAIR.x + at) != -Infinity) return c;
  }
  return -1;
}
