/** Pairs of float64, made from elements of any storage type. */
import { load4 } from './storage';

/** Two float64 from where an element stands. */
// @ts-expect-error: decorator
@inline
export function lowPair<T>(p: usize): v128 {
  return sizeof<T>() == 8 ? v128.load(p) : f64x2.promote_low_f32x4(load4<T>(p));
}

/** The two float64 that follow lowPair's. */
// @ts-expect-error: decorator
@inline
export function highPair<T>(p: usize): v128 {
  if (sizeof<T>() == 8) return v128.load(p + 16);
  const four = load4<T>(p);
  return f64x2.promote_low_f32x4(v128.shuffle<i64>(four, four, 1, 1));
}

/** w·x, and 0 where w is, whatever x. */
// @ts-expect-error: decorator
@inline
export function term(w: v128, x: v128): v128 {
  return v128.and(f64x2.mul(w, x), f64x2.ne(w, f64x2.splat(0)));
}
