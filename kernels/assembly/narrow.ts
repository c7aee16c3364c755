import { NarrowTo } from '../abi';
import { bf16, f16 } from './storage';

/**
 * Multiplies n values of S (f64 or f32) by a power of two, and rounds them to the nearest T, ties to even. float64 is
 * rounded to float32 first and multiplied there.
 */
export function narrow<S, T>(p: usize, n: u32, scale: f64, out: usize): void {
  if (scale == 1) narrowPlain<S, T>(p, n, out);
  else narrowScaled<S, T>(p, n, scale, out);
}

/** Separate functions: compiled into one, the plain loop is a sixth slower. */
function narrowPlain<S, T>(p: usize, n: u32, out: usize): void {
  narrowBy<S, T>(p, n, 1, false, out);
}

function narrowScaled<S, T>(p: usize, n: u32, scale: f64, out: usize): void {
  narrowBy<S, T>(p, n, scale, true, out);
}

// @ts-expect-error: decorator
@inline
function narrowBy<S, T>(p: usize, n: u32, scale: f64, scaled: bool, out: usize): void {
  // Scales in two steps: a scale may be beyond float32 while the values are small, and no intermediate result may
  // overflow.
  const first = <f32>min(max(scale, LEAST_STEP), GREATEST_STEP);
  const second = <f32>min(max(scale / <f64>first, LEAST_STEP), GREATEST_STEP);
  const first4 = f32x4.splat(first);
  const second4 = f32x4.splat(second);
  const end = p + <usize>(n & ~3) * sizeof<S>();
  for (; p < end; p += 4 * sizeof<S>()) {
    let four = loadFour<S>(p);
    if (scaled) four = f32x4.mul(f32x4.mul(four, first4), second4);
    if (sizeof<T>() == 4) v128.store(out, four);
    else v128.store64_lane(out, isSigned<T>() ? toFloat16(four) : toBfloat16(four), 0);
    out += 4 * sizeof<T>();
  }
  for (let rest = n & 3; rest > 0; rest--) {
    let one = <f32>load<S>(p);
    if (scaled) one = one * first * second;
    const value = f32x4.splat(one);
    if (sizeof<T>() == 4) store<f32>(out, one);
    else store<u16>(out, i16x8.extract_lane_u(isSigned<T>() ? toFloat16(value) : toBfloat16(value), 0));
    p += sizeof<S>();
    out += sizeof<T>();
  }
}

/** 2^−126 and 2^127 */
const LEAST_STEP: f64 = 1.1754943508222875e-38;
const GREATEST_STEP: f64 = 1.7014118346046923e38;

// @ts-expect-error: decorator
@inline
function loadFour<S>(p: usize): v128 {
  if (sizeof<S>() == 4) return v128.load(p);
  const low = f32x4.demote_f64x2_zero(v128.load(p));
  const high = f32x4.demote_f64x2_zero(v128.load(p, 16));
  return v128.shuffle<i64>(low, high, 0, 2);
}

/**
 * Four float32 as float16 bits in the low half, by the method of FP16's fp16_ieee_from_fp32_value. Two products turn
 * values above the range into Inf and values below it into 0. Adding a power of two that depends on the exponent makes
 * the processor round at float16's last place.
 */
// @ts-expect-error: decorator
@inline
function toFloat16(x: v128): v128 {
  const magnitude = f32x4.abs(x);
  const sign = i32x4.shr_u(v128.xor(x, magnitude), 16);
  let base = f32x4.mul(f32x4.mul(magnitude, f32x4.splat(5.192296858534828e33)), f32x4.splat(7.703719777548943e-34));
  const exponent = v128.and(i32x4.add(magnitude, i32x4.splat(0x07800000)), i32x4.splat(0x7f800000));
  base = f32x4.add(base, i32x4.max_u(exponent, i32x4.splat(0x40000000)));
  const bits = i32x4.add(
    v128.and(i32x4.shr_u(base, 13), i32x4.splat(0x7c00)),
    v128.and(base, i32x4.splat(0x0fff)),
  );
  const isNaN = i32x4.gt_s(magnitude, i32x4.splat(0x7f800000));
  const half = v128.or(sign, v128.bitselect(i32x4.splat(0x7e00), bits, isNaN));
  return i16x8.narrow_i32x4_u(half, half);
}

/** Four float32 as bfloat16 bits in the low half. */
// @ts-expect-error: decorator
@inline
function toBfloat16(x: v128): v128 {
  const even = v128.and(i32x4.shr_u(x, 16), i32x4.splat(1));
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(x, i32x4.splat(0x7fff)), even), 16);
  const isNaN = f32x4.ne(x, x);
  const bits = v128.bitselect(v128.or(i32x4.shr_u(x, 16), i32x4.splat(0x40)), rounded, isNaN);
  return i16x8.narrow_i32x4_u(bits, bits);
}

export function narrowTo<S>(p: usize, n: u32, scale: f64, to: i32, out: usize): void {
  if (to == NarrowTo.float16) narrow<S, f16>(p, n, scale, out);
  else if (to == NarrowTo.bfloat16) narrow<S, bf16>(p, n, scale, out);
  else narrow<S, f32>(p, n, scale, out);
}
