import { LEFT_OUT, NO_TARGET } from '../abi';
import { RowOffsetsLayout } from '../layouts';
import { load1 } from './storage';
import { finishRow, storeRow } from './row';
import {
  OUT_OF_RANGE, sumExp, sumExpClamped, sumExpClampedKept, sumExpKept, sumExpScaled, sumExpScaledClamped,
  sumExpScaledClampedKept, sumExpScaledKept,
} from './sum-exp-f32';
import { sumExpF64, sumExpF64Kept, sumExpF64ScaledKept } from './sum-exp-f64';
import { addMaximum, scan, scanOne, startScan } from './scan';
import { spanMaximum } from './maximum';

/** Number of a row's first elements whose maximum is the reference. */
const REFERENCE_SPAN: u32 = 256;

/**
 * lse, target logit and nll of each row of a block (rows, classes), row-major. The logits are x = offset + scale·v of the
 * stored values v; float64 has no offset, and a scale only where the exponentials are kept.
 * @param stride elements from one row to the next: `classes`, or more when the block is a part of the columns
 * @param offsets columns of RowOffsets, or 0 for none
 */
// @ts-expect-error: decorator
@inline
export function forward<T>(
  values: usize, rows: u32, classes: u32, stride: u32, targets: usize, scale: f64, offsets: usize, out: usize,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    const p = values + <usize>row * <usize>stride * sizeof<T>();
    forwardRow<T>(p, classes, load<i32>(targets + (<usize>row << 2)), rows, row, scale, offsets, out, 0);
  }
}

/**
 * Evaluates one row as two spans, before and after its target. float32 and narrower: reads once and sums each span
 * relative to a reference from the row's first elements. A row outside the reference's safe range is evaluated again by
 * the slower general path. float64: always takes the general path; its second read comes from the cache, and is hidden
 * by the longer polynomial.
 * @param keepAt address at which the exponentials of a row with finite lse are stored, an entry per class: float64 for
 *   float64, else float32. The entry of the target is not written. 0 stores none
 * @returns value to which the exponentials are relative; NaN for a row that is left out
 */
export function forwardRow<T>(
  p: usize, classes: u32, target: i32, rows: u32, row: u32, scale: f64, offsets: usize, out: usize, keepAt: usize,
): f64 {
  if (target == LEFT_OUT) {
    const found = startScan();
    scan<T>(p, classes);
    storeRow(out, rows, row, 0, 0, 0, 0, 0, found);
    return NaN;
  }
  const hasTarget = target != NO_TARGET;
  const before: u32 = hasTarget ? target : classes;
  const after: u32 = hasTarget ? classes - target - 1 : 0;
  const afterAt = p + <usize>(classes - after) * sizeof<T>();
  let v: f64 = hasTarget ? load1<T>(p + <usize>before * sizeof<T>()) : 0;
  let offset: f64 = 0;
  if (offsets != 0) {
    const at = offsets + (<usize>row << 3);
    offset = load<f64>(at + <usize>rows * RowOffsetsLayout.offset);
    if (hasTarget) v = load<f64>(at + <usize>rows * RowOffsetsLayout.target);
  }

  if (sizeof<T>() < 8 && isFinite(v)) {
    const top = spanMaximum<T>(p, min(classes, REFERENCE_SPAN));
    if (isFinite(top)) {
      const found = startScan();
      const rest = sumSpans<T>(p, before, afterAt, after, <f32>top, scale, keepAt);
      if (rest != OUT_OF_RANGE) {
        if (hasTarget) addMaximum(v);
        finishRow(out, rows, row, scale, offset, rest, top, hasTarget, v, found);
        return top;
      }
    }
  }
  return carefulRow<T>(p, before, afterAt, after, hasTarget, v, rows, row, scale, offset, out, keepAt);
}

// @ts-expect-error: decorator
@inline
function sumSpans<T>(
  p: usize, before: u32, afterAt: usize, after: u32, top: f32, scale: f64, keepAt: usize,
): f64 {
  if (scale != 1) return sumSpansScaled<T>(p, before, afterAt, after, top, scale, keepAt);
  if (keepAt == 0) {
    const sum = sumExp<T>(p, before, top);
    if (sum == OUT_OF_RANGE) return sum;
    const sum2 = sumExp<T>(afterAt, after, top);
    return sum2 == OUT_OF_RANGE ? sum2 : sum + sum2;
  }
  const sum = sumExpKept<T>(p, before, top, keepAt);
  if (sum == OUT_OF_RANGE) return sum;
  const sum2 = sumExpKept<T>(afterAt, after, top, keepAt + (<usize>(before + 1) << 2));
  return sum2 == OUT_OF_RANGE ? sum2 : sum + sum2;
}

function sumSpansScaled<T>(
  p: usize, before: u32, afterAt: usize, after: u32, top: f32, scale: f64, keepAt: usize,
): f64 {
  if (keepAt == 0) {
    const sum = sumExpScaled<T>(p, before, top, scale);
    if (sum == OUT_OF_RANGE) return sum;
    const sum2 = sumExpScaled<T>(afterAt, after, top, scale);
    return sum2 == OUT_OF_RANGE ? sum2 : sum + sum2;
  }
  const sum = sumExpScaledKept<T>(p, before, top, scale, keepAt);
  if (sum == OUT_OF_RANGE) return sum;
  const sum2 = sumExpScaledKept<T>(afterAt, after, top, scale, keepAt + (<usize>(before + 1) << 2));
  return sum2 == OUT_OF_RANGE ? sum2 : sum + sum2;
}

/** forwardRow for any row: scans for the maximum and the non-finite values, then sums with clamped differences. */
function carefulRow<T>(
  p: usize, before: u32, afterAt: usize, after: u32, hasTarget: bool, v: f64, rows: u32, row: u32, scale: f64,
  offset: f64, out: usize, keepAt: usize,
): f64 {
  const found = startScan();
  scan<T>(p, before);
  scan<T>(afterAt, after);
  const top = found.maximum;
  if (hasTarget) scanOne(v);
  let rest: f64 = 0;
  if (found.nanCount == 0 && found.posInfCount == 0) {
    // top is −Inf when the target is the only class, or all others are −Inf: their sum is 0.
    if (top != -Infinity) rest = sumSpansClamped<T>(p, before, afterAt, after, top, scale, keepAt);
    else if (keepAt != 0) {
      const classes = before + after + (hasTarget ? 1 : 0);
      memory.fill(keepAt, 0, <usize>classes * (sizeof<T>() == 8 ? 8 : 4));
    }
  }
  finishRow(out, rows, row, scale, offset, rest, top, hasTarget, v, found);
  return top;
}

// @ts-expect-error: decorator
@inline
function sumSpansClamped<T>(
  p: usize, before: u32, afterAt: usize, after: u32, top: f64, scale: f64, keepAt: usize,
): f64 {
  if (sizeof<T>() == 8) {
    if (keepAt == 0) return sumExpF64(p, before, top) + sumExpF64(afterAt, after, top);
    if (scale != 1) {
      const sum = sumExpF64ScaledKept(p, before, top, scale, keepAt);
      return sum + sumExpF64ScaledKept(afterAt, after, top, scale, keepAt + (<usize>(before + 1) << 3));
    }
    const sum = sumExpF64Kept(p, before, top, keepAt);
    return sum + sumExpF64Kept(afterAt, after, top, keepAt + (<usize>(before + 1) << 3));
  }
  if (scale != 1) {
    if (keepAt == 0) {
      return sumExpScaledClamped<T>(p, before, <f32>top, scale) + sumExpScaledClamped<T>(afterAt, after, <f32>top, scale);
    }
    const sum = sumExpScaledClampedKept<T>(p, before, <f32>top, scale, keepAt);
    return sum + sumExpScaledClampedKept<T>(afterAt, after, <f32>top, scale, keepAt + (<usize>(before + 1) << 2));
  }
  if (keepAt == 0) return sumExpClamped<T>(p, before, <f32>top) + sumExpClamped<T>(afterAt, after, <f32>top);
  const sum = sumExpClampedKept<T>(p, before, <f32>top, keepAt);
  return sum + sumExpClampedKept<T>(afterAt, after, <f32>top, keepAt + (<usize>(before + 1) << 2));
}
