import { RowBlockLayout as Layout } from '../layouts';

/**
 * Stores the results of a row in the columns of RowBlock.
 * lse = reference + log S, where reference is a logit of the row or close below its maximum, and S = Σ exp(x − reference).
 * Their sum has the rounding of the row's offset: softmax is exp(x − reference)·exp(−log S). The counts are exact for
 * every row; they are all zero for rows of finite logits.
 */
// @ts-expect-error: decorator
@inline
export function storeRow(
  out: usize, rows: u32, row: u32,
  targetLogit: f64, nll: f64, maximum: f64, reference: f64, logSum: f64, nans: i32, posInfs: i32, negInfs: i32,
): void {
  const n = <usize>rows;
  const f64At = out + (<usize>row << 3);
  const i32At = out + (<usize>row << 2);
  store<f64>(f64At + n * Layout.lse, reference + logSum);
  store<f64>(f64At + n * Layout.targetLogit, targetLogit);
  store<f64>(f64At + n * Layout.nll, nll);
  store<f64>(f64At + n * Layout.maximum, maximum);
  store<f64>(f64At + n * Layout.reference, reference);
  store<f64>(f64At + n * Layout.logSum, logSum);
  store<i32>(i32At + n * Layout.nanCount, nans);
  store<i32>(i32At + n * Layout.posInfCount, posInfs);
  store<i32>(i32At + n * Layout.negInfCount, negInfs);
}

/** The reference of a row that was evaluated, from what storeRow left at `out`. */
// @ts-expect-error: decorator
@inline
export function referenceOf(out: usize, rows: u32, row: u32): f64 {
  return load<f64>(out + <usize>rows * Layout.reference + (<usize>row << 3));
}

/** log S of the same row. */
// @ts-expect-error: decorator
@inline
export function logSumOf(out: usize, rows: u32, row: u32): f64 {
  return load<f64>(out + <usize>rows * Layout.logSum + (<usize>row << 3));
}

/**
 * Ends a row: from rest = Σ exp(x_c − summedFrom) over the classes c other than the target, and the target logit x
 * (which stands apart), to lse and nll. The counts and the maximum, of finite logits, are those of the whole row.
 */
export function finishRow(
  out: usize, rows: u32, row: u32,
  rest: f64, summedFrom: f64, hasTarget: bool, x: f64, maximum: f64, nans: i32, posInfs: i32, negInfs: i32,
): void {
  let reference = summedFrom;
  let logSum: f64 = 0;
  let nll: f64 = hasTarget ? NaN : 0;
  if (nans > 0 || posInfs > 0) {
    reference = nans == 0 ? Infinity : NaN;
  } else if (!hasTarget || x == -Infinity) {
    if (rest > 0) logSum = Math.log(rest);
    else reference = -Infinity;
    if (hasTarget && rest > 0) nll = Infinity;
  } else {
    nll = targetNll(rest, summedFrom, x);
    if (x >= summedFrom) {
      reference = x;
      logSum = nll;
    } else {
      logSum = Math.log(rest + Math.exp(x - summedFrom));
    }
  }
  storeRow(out, rows, row, hasTarget ? x : 0, nll, maximum, reference, logSum, nans, posInfs, negInfs);
}

/**
 * −log softmax at the target = log(1 + rest · exp(reference − x)). The target stands apart from the sum, so that a
 * confident row keeps its relative accuracy: nothing of the size of 1 is subtracted.
 */
function targetNll(rest: f64, reference: f64, x: f64): f64 {
  if (rest == 0) return 0;
  const d = reference - x;
  // Beyond 700 the exponential would overflow, and the 1 is negligible.
  return d > 700 ? Math.log(rest) + d : Math.log1p(rest * Math.exp(d));
}
