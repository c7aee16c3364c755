/**
 * Vectors of a storage type: two lanes of float64, or four of float32 for all narrower types. A true comparison gives
 * −1 in each 32 bits.
 */
import { load4 } from './storage';

// @ts-expect-error: decorator
@inline
export function lanes<T>(): u32 {
  return sizeof<T>() == 8 ? 2 : 4;
}

// @ts-expect-error: decorator
@inline
export function loadVector<T>(p: usize): v128 {
  return sizeof<T>() == 8 ? v128.load(p) : load4<T>(p);
}

// @ts-expect-error: decorator
@inline
export function splat<T>(x: f64): v128 {
  return sizeof<T>() == 8 ? f64x2.splat(x) : f32x4.splat(<f32>x);
}

// @ts-expect-error: decorator
@inline
export function eq<T>(a: v128, b: v128): v128 {
  return sizeof<T>() == 8 ? f64x2.eq(a, b) : f32x4.eq(a, b);
}

/** b where a < b, else a: one instruction, and a NaN in b is ignored. */
// @ts-expect-error: decorator
@inline
export function pmax<T>(a: v128, b: v128): v128 {
  return sizeof<T>() == 8 ? f64x2.pmax(a, b) : f32x4.pmax(a, b);
}

// @ts-expect-error: decorator
@inline
export function horizontalMaximum<T>(v: v128): f64 {
  if (sizeof<T>() == 8) return max(f64x2.extract_lane(v, 0), f64x2.extract_lane(v, 1));
  const low = max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1));
  return <f64>max(low, max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)));
}

// @ts-expect-error: decorator
@inline
export function horizontalCount<T>(v: v128): i32 {
  const sum =
    i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1) + i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3);
  return sizeof<T>() == 8 ? sum >> 1 : sum;
}

// @ts-expect-error: decorator
@inline
export function gt<T>(a: v128, b: v128): v128 {
  return sizeof<T>() == 8 ? f64x2.gt(a, b) : f32x4.gt(a, b);
}

// @ts-expect-error: decorator
@inline
export function ge<T>(a: v128, b: v128): v128 {
  return sizeof<T>() == 8 ? f64x2.ge(a, b) : f32x4.ge(a, b);
}
