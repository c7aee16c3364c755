/** Pairs of float64, made from elements of any storage type. */
import { maddF64 } from './exp-f64';
import { load4 } from './storage';

/**
 * Loads two elements as float64. Reads no further elements, except for 16-bit elements, which are loaded four at a
 * time.
 */
// @ts-expect-error: decorator
@inline
export function lowPair<T>(p: usize): v128 {
  if (sizeof<T>() == 8) return v128.load(p);
  return f64x2.promote_low_f32x4(sizeof<T>() == 4 ? v128.load64_zero(p) : load4<T>(p));
}

/** Loads the two elements after those of lowPair as float64. */
// @ts-expect-error: decorator
@inline
export function highPair<T>(p: usize): v128 {
  if (sizeof<T>() == 8) return v128.load(p + 16);
  if (sizeof<T>() == 4) return f64x2.promote_low_f32x4(v128.load64_zero(p + 8));
  const four = load4<T>(p);
  return f64x2.promote_low_f32x4(v128.shuffle<i64>(four, four, 1, 1));
}

/** sum + w·x; with `masked`, a term with w = 0 is 0 for every x. */
// @ts-expect-error: decorator
@inline
export function addTerm(sum: v128, w: v128, x: v128, masked: bool): v128 {
  if (!masked) return maddF64(w, x, sum);
  return f64x2.add(sum, v128.and(f64x2.mul(w, x), f64x2.ne(w, f64x2.splat(0))));
}

// @ts-expect-error: decorator
@inline
export function horizontalSum(v: v128): f64 {
  return f64x2.extract_lane(v, 0) + f64x2.extract_lane(v, 1);
}
