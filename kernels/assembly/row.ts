import { RowBlockLayout as Layout, RowOffsetsLayout } from '../layouts';
import { Scan } from './scan';
import { load1 } from './storage';

/**
 * Stores the results of a row in the columns of RowBlock. Logits x = offset + scale·v are evaluated from stored values v;
 * the maximum and the reference are such values. The reference is a value of the row or close below its maximum, and
 * S = Σ exp(scale·(v − reference)).
 * lse = offset + scale·reference + log S has the rounding of the row's offset: softmax is
 * exp(scale·(v − reference))·exp(−log S). The counts are exact for every row; they are all zero for rows of finite logits.
 */
// @ts-expect-error: decorator
@inline
export function storeRow(
  out: usize, rows: u32, row: u32,
  lse: f64, targetLogit: f64, nll: f64, reference: f64, logSum: f64, found: Scan,
): void {
  const n = <usize>rows;
  const f64At = out + (<usize>row << 3);
  const i32At = out + (<usize>row << 2);
  store<f64>(f64At + n * Layout.lse, lse);
  store<f64>(f64At + n * Layout.targetLogit, targetLogit);
  store<f64>(f64At + n * Layout.nll, nll);
  store<f64>(f64At + n * Layout.maximum, found.maximum);
  store<f64>(f64At + n * Layout.reference, reference);
  store<f64>(f64At + n * Layout.logSum, logSum);
  store<i32>(i32At + n * Layout.nanCount, found.nanCount);
  store<i32>(i32At + n * Layout.posInfCount, found.posInfCount);
  store<i32>(i32At + n * Layout.negInfCount, found.negInfCount);
}

/** Reference of an evaluated row, a stored value, as storeRow wrote it. */
// @ts-expect-error: decorator
@inline
export function referenceOf(out: usize, rows: u32, row: u32): f64 {
  return load<f64>(out + <usize>rows * Layout.reference + (<usize>row << 3));
}

/** Value of the target in float32 minus its value in float64 from RowOffsets. A confident row needs the latter. */
// @ts-expect-error: decorator
@inline
export function excessOf<T>(p: usize, target: i32, offsets: usize, rows: u32, row: u32): f64 {
  const exact = load<f64>(offsets + <usize>rows * RowOffsetsLayout.target + (<usize>row << 3));
  return load1<T>(p + <usize>target * sizeof<T>()) - exact;
}

/** log S of the same row. */
// @ts-expect-error: decorator
@inline
export function logSumOf(out: usize, rows: u32, row: u32): f64 {
  return load<f64>(out + <usize>rows * Layout.logSum + (<usize>row << 3));
}

/**
 * Computes and stores the results of a row from rest = Σ exp(scale·(v_c − summedFrom)) over the classes c other than
 * the target, and from the value v of the target.
 * @param found maximum and counts of the whole row
 */
export function finishRow(
  out: usize, rows: u32, row: u32, scale: f64, offset: f64,
  rest: f64, summedFrom: f64, hasTarget: bool, v: f64, found: Scan,
): void {
  let reference = summedFrom;
  let logSum: f64 = 0;
  let nll: f64 = hasTarget ? NaN : 0;
  if (found.nanCount > 0 || found.posInfCount > 0) {
    reference = found.nanCount == 0 ? Infinity : NaN;
  } else if (!hasTarget || v == -Infinity) {
    if (rest > 0) logSum = Math.log(rest);
    else reference = -Infinity;
    if (hasTarget && rest > 0) nll = Infinity;
  } else {
    nll = targetNll(rest, scale * (summedFrom - v));
    if (v >= summedFrom) {
      reference = v;
      logSum = nll;
    } else {
      logSum = Math.log(rest + Math.exp(scale * (v - summedFrom)));
    }
  }
  const lse = offset + scale * reference + logSum;
  // Adds no offset of 0, because −0 would become 0.
  const targetLogit = hasTarget ? (offset == 0 ? scale * v : offset + scale * v) : 0;
  storeRow(out, rows, row, lse, targetLogit, nll, reference, logSum, found);
}

/**
 * −log softmax at the target = log(1 + rest · exp(d)), with d the distance of the reference above the target. The sum
 * excludes the target, so that a confident row keeps its relative accuracy: no number close to 1 is subtracted.
 */
function targetNll(rest: f64, d: f64): f64 {
  if (rest == 0) return 0;
  // Beyond 700 the exponential would overflow, and the 1 is negligible.
  return d > 700 ? Math.log(rest) + d : Math.log1p(rest * Math.exp(d));
}
