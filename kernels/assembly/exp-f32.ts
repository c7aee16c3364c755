/**
 * exp of four float32 values by range reduction, exp(d) = 2^n · exp(r) with |r| ≤ ln2/2, and a minimax polynomial of
 * degree 5 (relative error 1e-7; degree 4 loses accuracy, degree 6 gains none). Coefficients and method are those of
 * XNNPACK's f32-raddstoreexpminusmax rr2-p5.
 *
 * The constants stand in memory and are loaded once per span: literal splats would be propagated into the loop by the
 * compiler, which halves the speed.
 */
const CONSTANTS = memory.data<f32>([
  1.44269502, // log2(e)
  12583039.0, // 1.5·2^23 + 127: adding it rounds to an integer n and leaves n + 127 in the low bits
  -0.693147182, // −ln2, for the fused multiply-add
  -0.693145752, // −ln2, high part: its product with n is exact
  -1.42860677e-6, // −ln2, low part
  0.999999702, // c1
  0.499991506, // c2
  0.166676521, // c3
  0.0418978222, // c4
  0.00828929059, // c5
  0.693147004, // c1·ln2
  0.240222424, // c2·ln2²
  0.0555073917, // c3·ln2³
  0.00967148785, // c4·ln2⁴
  0.00132630882, // c5·ln2⁵
]);

/** The k-th constant in all four lanes. */
// @ts-expect-error: decorator
@inline
export function constant(k: usize): v128 {
  return v128.load32_splat(CONSTANTS + (k << 2));
}

export namespace Constant {
  export const LOG2E: usize = 0;
  export const ROUNDER: usize = 1;
  export const MINUS_LN2: usize = 2;
  export const MINUS_LN2_HIGH: usize = 3;
  export const MINUS_LN2_LOW: usize = 4;
  export const C1: usize = 5;
  export const C2: usize = 6;
  export const C3: usize = 7;
  export const C4: usize = 8;
  export const C5: usize = 9;
  export const B1: usize = 10;
  export const B2: usize = 11;
  export const B3: usize = 12;
  export const B4: usize = 13;
  export const B5: usize = 14;
}

/** log2(e) in float64. */
export const LOG2E: f64 = 1.4426950408889634;

/** Difference between a float64 and its float32. */
// @ts-expect-error: decorator
@inline
export function lowPartOf(x: f64): f32 {
  return <f32>(x - <f64><f32>x);
}

/** a·b + c: one rounding in the relaxed variant (on machines that fuse), two in the strict one. */
// @ts-expect-error: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/**
 * exp(d), given t = d·log2(e) + ROUNDER and so n in t's low bits.
 * The strict variant reduces with ln2 in two words, because its product n·ln2 is rounded before the sum; the fused
 * one needs a single word: n times the error of ln2 stays below 2.4e-7 for |n| ≤ 127.
 */
// @ts-expect-error: decorator
@inline
export function exp4(
  d: v128, t: v128, rounder: v128, minusLn2: v128, minusLn2Low: v128,
  c1: v128, c2: v128, c3: v128, c4: v128, c5: v128,
): v128 {
  const scale = i32x4.shl(t, 23);
  const n = f32x4.sub(t, rounder);
  let r = madd(n, minusLn2, d);
  if (!ASC_FEATURE_RELAXED_SIMD) r = madd(n, minusLn2Low, r);
  let p = madd(c5, r, c4);
  p = madd(p, r, c3);
  p = madd(p, r, c2);
  p = madd(p, r, c1);
  return madd(p, f32x4.mul(r, scale), scale);
}

/**
 * exp(scale·d) = 2^n · 2^f, given t = d·kHigh + ROUNDER with k = scale·log2(e) = kHigh + kLow. The scale is part of the
 * reduction f = d·k − n, so the fused variant rounds no product with it; the strict variant rounds d·kHigh. b1 … b5 are
 * the coefficients of exp4 for powers of two.
 */
// @ts-expect-error: decorator
@inline
export function expScaled4(
  d: v128, t: v128, rounder: v128, kHigh: v128, kLow: v128, b1: v128, b2: v128, b3: v128, b4: v128, b5: v128,
): v128 {
  const power = i32x4.shl(t, 23);
  const f = madd(d, kLow, madd(d, kHigh, f32x4.sub(rounder, t)));
  let p = madd(b5, f, b4);
  p = madd(p, f, b3);
  p = madd(p, f, b2);
  p = madd(p, f, b1);
  return madd(p, f32x4.mul(f, power), power);
}
