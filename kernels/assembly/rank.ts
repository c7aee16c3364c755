import { load1 } from './storage';
import { eq, ge, gt, horizontalCount, lanes, loadVector, spanMaximum, splat } from './vector';

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
    const top = spanMaximum<T>(p, classes);
    store<f64>(out + (<usize>row << 3), top);
    store<i32>(indices + (<usize>row << 2), indexOf<T>(p, classes, top));
    let before = -1;
    const x: f64 = target >= 0 ? load1<T>(p + <usize>target * sizeof<T>()) : NaN;
    if (x == x) {
      const afterAt = p + <usize>(target + 1) * sizeof<T>();
      before = countAbove<T>(p, target, x, true) + countAbove<T>(afterAt, classes - target - 1, x, false);
    }
    store<i32>(indices + (<usize>(rows + row) << 2), before);
  }
}

/** How many of n elements are greater than x, or with `ties` equal to it. */
// @ts-expect-error: decorator
@inline
function countAbove<T>(p: usize, n: u32, x: f64, ties: bool): i32 {
  const bound = splat<T>(x);
  let counts = i32x4.splat(0);
  const step = lanes<T>();
  const end = p + <usize>(n - (n % step)) * sizeof<T>();
  while (p < end) {
    const v = loadVector<T>(p);
    counts = i32x4.sub(counts, ties ? ge<T>(v, bound) : gt<T>(v, bound));
    p += <usize>step * sizeof<T>();
  }
  let count = horizontalCount<T>(counts);
  for (let rest = n % step; rest > 0; rest--) {
    const y = load1<T>(p);
    count += i32(ties ? y >= x : y > x);
    p += sizeof<T>();
  }
  return count;
}

/** The first index of a value; 0 when it is nowhere. */
function indexOf<T>(p: usize, n: u32, x: f64): u32 {
  const wanted = splat<T>(x);
  const step = lanes<T>();
  let k: u32 = 0;
  for (; k + step <= n; k += step) {
    if (v128.any_true(eq<T>(loadVector<T>(p + <usize>k * sizeof<T>()), wanted))) break;
  }
  for (; k < n; k++) {
    if (load1<T>(p + <usize>k * sizeof<T>()) == x) return k;
  }
  return 0;
}
