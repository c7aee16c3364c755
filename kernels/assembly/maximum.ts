import { load1 } from './storage';
import { eq, horizontalMaximum, lanes, loadVector, pmax, splat } from './vector';

/** Elements per tile: the index is searched only in the tile with the maximum. */
const TILE: u32 = 1024;

/**
 * Lowest index of the maximum of n elements, ignoring NaN; 0 when all are NaN. Reads them once.
 * @param maximumAt address at which the maximum is stored, −Inf when all are NaN; 0 stores none
 */
export function indexOfMaximum<T>(p: usize, n: u32, maximumAt: usize): u32 {
  let maximum = -Infinity;
  let tile: u32 = 0;
  for (let k: u32 = 0; k < n; k += TILE) {
    const top = spanMaximum<T>(p + <usize>k * sizeof<T>(), min(n - k, TILE));
    if (top > maximum) {
      maximum = top;
      tile = k;
    }
  }
  if (maximumAt != 0) store<f64>(maximumAt, maximum);
  if (maximum == -Infinity) return indexOf<T>(p, n, maximum);
  return tile + indexOf<T>(p + <usize>tile * sizeof<T>(), min(n - tile, TILE), maximum);
}

/** Maximum of n elements, ignoring NaN; −Inf when all are NaN. */
export function spanMaximum<T>(p: usize, n: u32): f64 {
  let top0 = splat<T>(-Infinity);
  let top1 = top0;
  let top2 = top0;
  let top3 = top0;
  const step = lanes<T>();
  const bytes = <usize>step * sizeof<T>();
  const end4 = p + <usize>(n - (n % (4 * step))) * sizeof<T>();
  for (; p < end4; p += 4 * bytes) {
    top0 = pmax<T>(top0, loadVector<T>(p));
    top1 = pmax<T>(top1, loadVector<T>(p + bytes));
    top2 = pmax<T>(top2, loadVector<T>(p + 2 * bytes));
    top3 = pmax<T>(top3, loadVector<T>(p + 3 * bytes));
  }
  const end = p + <usize>((n % (4 * step)) & ~(step - 1)) * sizeof<T>();
  for (; p < end; p += bytes) top0 = pmax<T>(top0, loadVector<T>(p));
  let result = horizontalMaximum<T>(pmax<T>(pmax<T>(top0, top1), pmax<T>(top2, top3)));
  for (let rest = n % step; rest > 0; rest--) {
    const x = load1<T>(p);
    if (x > result) result = x;
    p += sizeof<T>();
  }
  return result;
}

/** The first index of a value; 0 when it does not occur. */
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
