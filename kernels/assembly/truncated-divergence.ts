/** Divergence of a reference whose least probable classes are left out. */
import { LEFT_OUT } from '../abi';
import { RowDivergencesLayout as Layout } from '../layouts';
import { TILE_F64, addTo, startSums, totalOf } from './compensated';
import { setPair } from './divergence';
import { storeElement } from './divergence-gradient';
import { PAIR } from './divergence-sums';
import { scaleOf } from './gradient';
import { ofP, ofQ, productAt } from './pair-values';
import { logSumOf, referenceOf } from './row';
import { load1 } from './storage';

/**
 * Σ p·log(p/q) of each row over the classes with log p > −floor. Unlike the whole divergence it may be negative.
 * @param out columns of RowDivergences; the total is Σ p of these classes
 */
// @ts-expect-error: decorator
@inline
export function truncatedDivergence<T>(
  ps: usize, qs: usize, rows: u32, classes: u32, targets: usize, scale: f64, pResults: usize, qResults: usize,
  first: u32, end: u32, pKept: usize, qKept: usize, pOrigins: usize, qOrigins: usize, floor: f64, out: usize,
): void {
  const n = <usize>rows;
  for (let row = first; row < end; row++) {
    const f64At = <usize>row << 3;
    let infinite: i32 = -1;
    let result: f64 = NaN;
    let total: f64 = 0;
    if (load<i32>(targets + (<usize>row << 2)) == LEFT_OUT) {
      result = 0;
    } else if (isFinite(load<f64>(pResults + f64At)) && isFinite(load<f64>(qResults + f64At))) {
      setPair<T>(ps, qs, rows, classes, scale, pResults, qResults, first, row, pKept, qKept, pOrigins, qOrigins);
      const unit = unitOfP(pResults, rows, row, load<f64>(pOrigins + f64At));
      const reference = referenceOf(pResults, rows, row);
      infinite = sumTerms<T>(unit, reference, lowestOfP(pResults, rows, row, floor));
      total = totalOf(1);
      result = infinite < 0 ? totalOf(0) : Infinity;
    }
    store<f64>(out + n * Layout.divergence + f64At, result);
    store<f64>(out + n * Layout.excess + f64At, 0);
    store<f64>(out + n * Layout.total + f64At, total);
    store<i32>(out + n * Layout.infinite + (<usize>row << 2), infinite);
  }
}

/**
 * Stores the gradient of the truncated divergence with respect to the logits of q, times the row's coefficient k:
 * k·s·(P·q − p), with p = 0 for the classes that are left out and P = Σ p. Elements in float32 are divided by the row's
 * power of two.
 */
// @ts-expect-error: decorator
@inline
export function truncatedGradient<T>(
  ps: usize, qs: usize, rows: u32, classes: u32, targets: usize, scale: f64, pResults: usize, qResults: usize,
  first: u32, end: u32, pKept: usize, qKept: usize, pOrigins: usize, qOrigins: usize, floor: f64, divergences: usize,
  coefficients: usize, g: usize, scales: usize,
): void {
  const width: usize = sizeof<T>() == 8 ? 8 : 4;
  const n = <usize>rows;
  for (let row = first; row < end; row++) {
    const f64At = <usize>row << 3;
    const out = g + <usize>row * <usize>classes * width;
    store<f64>(scales + f64At, 1);
    if (load<i32>(targets + (<usize>row << 2)) == LEFT_OUT) {
      memory.fill(out, 0, <usize>classes * width);
      continue;
    }
    const divergence = load<f64>(divergences + n * Layout.divergence + f64At);
    let k = scale * load<f64>(coefficients + f64At);
    if (divergence != divergence || !isFinite(k)) {
      for (let c: u32 = 0; c < classes; c++) storeElement<T>(out + <usize>c * width, NaN);
      continue;
    }
    setPair<T>(ps, qs, rows, classes, scale, pResults, qResults, first, row, pKept, qKept, pOrigins, qOrigins);
    if (sizeof<T>() < 8) {
      const power = scaleOf(abs(k));
      store<f64>(scales + f64At, power);
      k /= power;
    }
    const unit = unitOfP(pResults, rows, row, load<f64>(pOrigins + f64At));
    const unitOfQ = unit * PAIR.factor * load<f64>(divergences + n * Layout.total + f64At);
    const reference = referenceOf(pResults, rows, row);
    const lowest = lowestOfP(pResults, rows, row, floor);
    for (let c: u32 = 0; c < classes; c++) {
      const x = load1<T>(PAIR.x + <usize>c * sizeof<T>());
      const p = x - reference > lowest ? unit * ofP<T>(c) : 0;
      storeElement<T>(out + <usize>c * width, k * (unitOfQ * ofQ<T>(c) - p));
    }
  }
}

/** Factor from the exponentials of p to probabilities. */
function unitOfP(results: usize, rows: u32, row: u32, origin: f64): f64 {
  return Math.exp(PAIR.scale * (origin - referenceOf(results, rows, row)) - logSumOf(results, rows, row));
}

/** Threshold of x − reference at and below which a class of p is left out. A threshold of x itself would be rounded. */
function lowestOfP(results: usize, rows: u32, row: u32, floor: f64): f64 {
  return (logSumOf(results, rows, row) - floor) / PAIR.scale;
}

/**
 * Sums Σ p·log(p/q) and Σ p over the classes that are not left out, for totalOf(0) and totalOf(1). @returns the first
 * class with q = 0; −1 when there is none
 */
function sumTerms<T>(unit: f64, reference: f64, lowest: f64): i32 {
  let infinite: i32 = -1;
  startSums();
  for (let first: u32 = 0; first < PAIR.classes; first += TILE_F64) {
    let sum: f64 = 0;
    let total: f64 = 0;
    for (let c = first; c < min(first + TILE_F64, PAIR.classes); c++) {
      const x = load1<T>(PAIR.x + <usize>c * sizeof<T>());
      if (!(x - reference > lowest)) continue;
      const y = load1<T>(PAIR.y + <usize>c * sizeof<T>());
      const p = unit * ofP<T>(c);
      total += p;
      if (y != -Infinity) sum -= productAt(p, x, y);
      else if (infinite < 0) infinite = c;
    }
    addTo(0, sum);
    addTo(1, total);
  }
  return infinite;
}
