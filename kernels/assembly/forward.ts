import { load1 } from './storage';
import { LEFT_OUT, NO_TARGET, finishRow, storeRow } from './row';
import { OUT_OF_RANGE, sumExp, sumExpClamped } from './sum-exp-f32';
import { sumExpF64 } from './sum-exp-f64';
import { maximum, nanCount, negInfCount, posInfCount, scan, scanOne, startScan } from './scan';
import { spanMaximum } from './vector';

/** How many of a row's first elements the reference is the maximum of. */
const REFERENCE_SPAN: u32 = 256;

/**
 * lse, target logit and nll of each row of a block (rows, classes), row-major, without padding.
 *
 * A row is two spans, before and after its target. float32 and narrower: one read, each span summed relative to a
 * reference taken from the row's own first elements; a row that leaves the reference's safe range is done again with
 * care. float64: always with care; the second read comes from cache and does not show beside the longer polynomial.
 */
// @ts-expect-error: decorator
@inline
export function forward<T>(logits: usize, rows: u32, classes: u32, targets: usize, out: usize): void {
  const rowBytes = <usize>classes * sizeof<T>();
  for (let row: u32 = 0; row < rows; row++) {
    const p = logits + <usize>row * rowBytes;
    const target = load<i32>(targets + (<usize>row << 2));
    if (target == LEFT_OUT) {
      startScan();
      scan<T>(p, classes);
      storeRow(out, rows, row, 0, 0, 0, nanCount, posInfCount, negInfCount);
      continue;
    }
    const hasTarget = target != NO_TARGET;
    const before: u32 = hasTarget ? target : classes;
    const after: u32 = hasTarget ? classes - target - 1 : 0;
    const afterAt = p + rowBytes - <usize>after * sizeof<T>();
    const x: f64 = hasTarget ? load1<T>(p + <usize>before * sizeof<T>()) : 0;

    if (sizeof<T>() < 8 && isFinite(x)) {
      const reference = spanMaximum<T>(p, min(classes, REFERENCE_SPAN));
      if (isFinite(reference)) {
        const rest = sumExp<T>(p, before, <f32>reference);
        const rest2 = rest == OUT_OF_RANGE ? OUT_OF_RANGE : sumExp<T>(afterAt, after, <f32>reference);
        if (rest2 != OUT_OF_RANGE) {
          finishRow(out, rows, row, rest + rest2, reference, hasTarget, x, 0, 0, 0);
          continue;
        }
      }
    }
    carefulRow<T>(p, before, afterAt, after, hasTarget, x, rows, row, out);
  }
}

/** Any row whatever: a scan for the maximum and the non-finite values, then the sum with differences clamped. */
function carefulRow<T>(
  p: usize, before: u32, afterAt: usize, after: u32, hasTarget: bool, x: f64, rows: u32, row: u32, out: usize,
): void {
  startScan();
  scan<T>(p, before);
  scan<T>(afterAt, after);
  const top = maximum;
  if (hasTarget) scanOne(x);
  let rest: f64 = 0;
  // top is −Inf when there is no class but the target, or all others are −Inf: their sum is 0.
  if (nanCount == 0 && posInfCount == 0 && top != -Infinity) {
    if (sizeof<T>() == 8) rest = sumExpF64(p, before, top) + sumExpF64(afterAt, after, top);
    else rest = sumExpClamped<T>(p, before, <f32>top) + sumExpClamped<T>(afterAt, after, <f32>top);
  }
  finishRow(out, rows, row, rest, top, hasTarget, x, nanCount, posInfCount, negInfCount);
}
