/** Difference of two logits and its rounding, from which the log ratio d = scale·((y − x) − c) of two softmaxes is formed. */

/** Rounding error of t = y − x: y − x = t + error, exactly. The operations must not be fused. */
// @ts-expect-error: decorator
@inline
export function errorOfDifference(t: v128, y: v128, x: v128): v128 {
  const b = f32x4.sub(t, y);
  return f32x4.sub(f32x4.sub(y, f32x4.sub(t, b)), f32x4.add(x, b));
}

/** errorOfDifference of float64. */
// @ts-expect-error: decorator
@inline
export function errorOfDifferenceF64(t: v128, y: v128, x: v128): v128 {
  const b = f64x2.sub(t, y);
  return f64x2.sub(f64x2.sub(y, f64x2.sub(t, b)), f64x2.add(x, b));
}

/** errorOfDifference of scalars. */
// @ts-expect-error: decorator
@inline
export function errorOfDifferenceOne(t: f64, y: f64, x: f64): f64 {
  const b = t - y;
  return y - (t - b) - (x + b);
}
