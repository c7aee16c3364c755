import { madd } from './exp-f32';

/**
 * Coefficients of (log(1 + f) − f + f²/2) / f³ on [√½ − 1, √2 − 1], from f^8 down to the constant (relative error of
 * the logarithm 6e-8), as in logf of the Cephes library. Then ln2 in two words; the product of the high word with n is
 * exact.
 */
const CONSTANTS = memory.data<f32>([
  7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1, 0.693359375, -2.12194440e-4,
]);

/** Bits of √½. A float from √½ to √2 is not scaled. */
const ROOT_OF_HALF: i32 = 0x3f3504f3;

// @ts-expect-error: decorator
@inline
function constant(k: usize): v128 {
  return v128.load32_splat(CONSTANTS + (k << 2));
}

/**
 * log x of four normal positive values. The result is unspecified for others, including NaN.
 * @param f x − 1, used where x is close to 1: it may have more digits than x
 */
// @ts-expect-error: decorator
@inline
export function log4(x: v128, f: v128): v128 {
  const exponent = i32x4.shr_s(i32x4.sub(x, i32x4.splat(ROOT_OF_HALF)), 23);
  const scaled = f32x4.sub(i32x4.sub(x, i32x4.shl(exponent, 23)), f32x4.splat(1));
  const r = v128.bitselect(f, scaled, i32x4.eq(exponent, i32x4.splat(0)));
  const n = f32x4.convert_i32x4_s(exponent);
  let p = madd(constant(0), r, constant(1));
  p = madd(p, r, constant(2));
  p = madd(p, r, constant(3));
  p = madd(p, r, constant(4));
  p = madd(p, r, constant(5));
  p = madd(p, r, constant(6));
  p = madd(p, r, constant(7));
  p = madd(p, r, constant(8));
  const square = f32x4.mul(r, r);
  let rest = madd(f32x4.mul(p, r), square, f32x4.mul(n, constant(10)));
  rest = f32x4.sub(rest, f32x4.mul(f32x4.splat(0.5), square));
  return madd(n, constant(9), f32x4.add(r, rest));
}
