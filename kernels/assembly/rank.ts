import { RowRanksLayout as Layout } from '../layouts';
import { indexOfMaximum } from './maximum';
import { load1 } from './storage';
import { ge, gt, horizontalCount, lanes, loadVector, splat } from './vector';

/**
 * Stores per row of a block: the maximum; its index, the lowest on ties; and the number of classes that come before the
 * target when sorted by value and then by index, −1 without a target or where it is NaN. Other NaN are ignored.
 * @param out columns of RowRanks
 */
// @ts-expect-error: decorator
@inline
export function rank<T>(logits: usize, rows: u32, classes: u32, targets: usize, out: usize): void {
  const rowBytes = <usize>classes * sizeof<T>();
  const n = <usize>rows;
  for (let row: u32 = 0; row < rows; row++) {
    const p = logits + <usize>row * rowBytes;
    const target = load<i32>(targets + (<usize>row << 2));
    const index = indexOfMaximum<T>(p, classes, out + n * Layout.maximum + (<usize>row << 3));
    const i32At = out + (<usize>row << 2);
    store<i32>(i32At + n * Layout.predictions, index);
    store<i32>(i32At + n * Layout.targetRank, rankOf<T>(p, classes, target));
  }
}

/** Rank of the target of one row, see rank. */
export function rankOf<T>(p: usize, classes: u32, target: i32): i32 {
  const x: f64 = target >= 0 ? load1<T>(p + <usize>target * sizeof<T>()) : NaN;
  if (x != x) return -1;
  const afterAt = p + <usize>(target + 1) * sizeof<T>();
  const after = classes - target - 1;
  if (sizeof<T>() == 2) {
    const bound = keyOf(load<i16>(p + <usize>target * 2));
    const infinity: i16 = isSigned<T>() ? 0x7c00 : 0x7f80;
    return countAbove16(p, target, bound, infinity, true) + countAbove16(afterAt, after, bound, infinity, false);
  }
  return countAbove<T>(p, target, x, true) + countAbove<T>(afterAt, after, x, false);
}

/**
 * Counts the elements among n 16-bit floats that are greater than a bound, or with `ties` equal to it, ignoring NaN.
 * Compares their keys, eight at a time and without a conversion.
 * @param bound key of the bound
 * @param infinity the bits of +Inf: greater keys are NaN
 */
function countAbove16(p: usize, n: u32, bound: i16, infinity: i16, ties: bool): i32 {
  // For integers, x ≥ bound means x > bound − 1.
  const least = i16x8.splat(ties ? bound - 1 : bound);
  const most = i16x8.splat(infinity);
  let counts = i32x4.splat(0);
  const end = p + (<usize>(n & ~7) << 1);
  for (; p < end; p += 16) {
    const bits = v128.load(p);
    let keys = v128.xor(bits, v128.and(i16x8.shr_s(bits, 15), i16x8.splat(0x7fff)));
    keys = i16x8.sub(keys, i16x8.eq(keys, i16x8.splat(-1)));
    const isAbove = v128.and(i16x8.gt_s(keys, least), i16x8.le_s(keys, most));
    counts = i32x4.sub(counts, i32x4.extadd_pairwise_i16x8_s(isAbove));
  }
  let count = horizontalCount<f32>(counts);
  for (let rest = n & 7; rest > 0; rest--) {
    const key = keyOf(load<i16>(p));
    count += i32((ties ? key >= bound : key > bound) && key <= infinity);
    p += 2;
  }
  return count;
}

/** A 16-bit float as an integer in the same order: sign and magnitude as two's complement, with one zero. */
function keyOf(bits: i16): i16 {
  const key = bits ^ ((bits >> 15) & 0x7fff);
  return key == -1 ? 0 : key;
}

/** Counts the elements among n that are greater than x, or with `ties` equal to it. */
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
