/**
 * exp of two float64 values by range reduction, exp(d) = 2^n · exp(r) with |r| ≤ ln2/2, and exp(r) = 1 + r·P(r). P has
 * degree 10 and interpolates (exp(r) − 1) / r at Chebyshev nodes (relative error 2.4e-17).
 */
const CONSTANTS = memory.data<f64>([
  1.4426950408889634, // log2(e)
  6755399441056767.0, // 1.5·2^52 + 1023: adding it rounds to an integer n and leaves n + 1023 in the low bits
  -6.93147180369123816490e-1, // −ln2, high part: its product with n is exact
  -1.90821492927058770002e-10, // −ln2, low part
]);

/** Coefficients of P, from r^10 down to the constant 1. */
const COEFFICIENTS = memory.data<f64>([
  2.5105217004720745e-8, 2.7626371065696354e-7, 2.7557255400206422e-6, 2.480150431378554e-5, 1.9841269874820627e-4,
  1.388888893251478e-3, 8.333333333326136e-3, 4.1666666666573066e-2, 1.666666666666667e-1, 5.000000000000006e-1, 1.0,
]);

/** Least difference d: exp(d) is still a normal float64, but negligible beside the 1 of the maximum. */
export const FLOOR_F64: f64 = -708;

/** a·b + c: one rounding in the relaxed variant (on machines that fuse), two in the strict one. */
// @ts-expect-error: decorator
@inline
export function maddF64(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f64x2.relaxed_madd(a, b, c);
  return f64x2.add(f64x2.mul(a, b), c);
}

/** The k-th constant in both lanes. */
// @ts-expect-error: decorator
@inline
export function constantF64(k: usize): v128 {
  return v128.load64_splat(CONSTANTS + (k << 3));
}

/** P(r), unrolled by hand, because compilers do not unroll a loop over the coefficients. */
// @ts-expect-error: decorator
@inline
function polynomial(r: v128): v128 {
  let p = v128.load64_splat(COEFFICIENTS);
  p = maddF64(p, r, v128.load64_splat(COEFFICIENTS, 8));
  p = maddF64(p, r, v128.load64_splat(COEFFICIENTS, 16));
  p = maddF64(p, r, v128.load64_splat(COEFFICIENTS, 24));
  p = maddF64(p, r, v128.load64_splat(COEFFICIENTS, 32));
  p = maddF64(p, r, v128.load64_splat(COEFFICIENTS, 40));
  p = maddF64(p, r, v128.load64_splat(COEFFICIENTS, 48));
  p = maddF64(p, r, v128.load64_splat(COEFFICIENTS, 56));
  p = maddF64(p, r, v128.load64_splat(COEFFICIENTS, 64));
  p = maddF64(p, r, v128.load64_splat(COEFFICIENTS, 72));
  return maddF64(p, r, v128.load64_splat(COEFFICIENTS, 80));
}

/** exp of two values within [FLOOR_F64, 0]. */
// @ts-expect-error: decorator
@inline
export function exp2(d: v128, log2e: v128, rounder: v128, minusLn2High: v128, minusLn2Low: v128): v128 {
  const t = maddF64(d, log2e, rounder);
  const n = f64x2.sub(t, rounder);
  const r = maddF64(n, minusLn2Low, maddF64(n, minusLn2High, d));
  const scale = i64x2.shl(t, 52);
  return maddF64(polynomial(r), f64x2.mul(r, scale), scale);
}

/**
 * exp(d) − 1 of two values within [FLOOR_F64, 0], accurate to one or two units in the last place, also for small d:
 * 2^n·(exp(r) − 1) + (2^n − 1). 2^n − 1 is 0 for n = 0, and its rounding is zero or negligible.
 */
// @ts-expect-error: decorator
@inline
export function expm1Two(d: v128, log2e: v128, rounder: v128, minusLn2High: v128, minusLn2Low: v128): v128 {
  const t = maddF64(d, log2e, rounder);
  const n = f64x2.sub(t, rounder);
  const r = maddF64(n, minusLn2Low, maddF64(n, minusLn2High, d));
  const scale = i64x2.shl(t, 52);
  return maddF64(polynomial(r), f64x2.mul(r, scale), f64x2.sub(scale, v128.load64_splat(COEFFICIENTS, 80)));
}
