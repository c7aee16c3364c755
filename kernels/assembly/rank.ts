import { indexOfMaximum, maximum } from './maximum';
import { load1 } from './storage';
import { ge, gt, horizontalCount, lanes, loadVector, splat } from './vector';

/**
 * Per row of a block: the maximum; its index, the lowest on ties; and how many classes come before the target when
 * sorted by value and then by index, −1 without a target or where it is NaN. Other NaN are passed over.
 * @param out one array after the other, an entry per row each: f64 maximum, i32 index, i32 rank
 */
// @ts-expect-error: decorator
@inline
export function rank<T>(logits: usize, rows: u32, classes: u32, targets: usize, out: usize): void {
  const rowBytes = <usize>classes * sizeof<T>();
  const indices = out + (<usize>rows << 3);
  for (let row: u32 = 0; row < rows; row++) {
    const p = logits + <usize>row * rowBytes;
    const target = load<i32>(targets + (<usize>row << 2));
    store<i32>(indices + (<usize>row << 2), indexOfMaximum<T>(p, classes));
    store<f64>(out + (<usize>row << 3), maximum);
    store<i32>(indices + (<usize>(rows + row) << 2), rankOf<T>(p, classes, target));
  }
}

/** The rank of the target of one row, as rank has it. */
export function rankOf<T>(p: usize, classes: u32, target: i32): i32 {
  const x: f64 = target >= 0 ? load1<T>(p + <usize>target * sizeof<T>()) : NaN;
  if (x != x) return -1;
  const afterAt = p + <usize>(target + 1) * sizeof<T>();
  return countAbove<T>(p, target, x, true) + countAbove<T>(afterAt, classes - target - 1, x, false);
}

/** How many of n elements are greater than x, or with `ties` equal to it. */
// @ts-expect-error: decorator
@inline
function countAbove<T>(p: usize, n: u32, x: f64, ties: bool): i32 {
  const bound = splat<T>(x);
  let counts0 = i32x4.splat(0);
  let counts1 = counts0;
  const step = lanes<T>();
  const bytes = <usize>step * sizeof<T>();
  const end2 = p + <usize>(n - (n % (2 * step))) * sizeof<T>();
  for (; p < end2; p += 2 * bytes) {
    counts0 = i32x4.sub(counts0, above<T>(loadVector<T>(p), bound, ties));
    counts1 = i32x4.sub(counts1, above<T>(loadVector<T>(p + bytes), bound, ties));
  }
  const end = p + <usize>((n % (2 * step)) & ~(step - 1)) * sizeof<T>();
  for (; p < end; p += bytes) counts0 = i32x4.sub(counts0, above<T>(loadVector<T>(p), bound, ties));
  let count = horizontalCount<T>(i32x4.add(counts0, counts1));
  for (let rest = n % step; rest > 0; rest--) {
    const y = load1<T>(p);
    count += i32(ties ? y >= x : y > x);
    p += sizeof<T>();
  }
  return count;
}

// @ts-expect-error: decorator
@inline
function above<T>(v: v128, bound: v128, ties: bool): v128 {
  return ties ? ge<T>(v, bound) : gt<T>(v, bound);
}
