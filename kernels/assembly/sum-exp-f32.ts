import { firstLanes, loadLanes, storeSome } from './lanes';
import { addMaximum } from './scan';
import { load4, loadFloat16, FLOAT16_CONSTANTS } from './storage';
import { horizontalMaximum } from './vector';
import { Constant, LOG2E, constant, exp4, expScaled4, lowPartOf, madd } from './exp-f32';

/** Elements whose exponentials are summed in float32 before the sum moves to float64. */
export const TILE: u32 = 256;

/** Result of sumExp when an element is outside its safe range. */
export const OUT_OF_RANGE: f64 = -1;

/**
 * Range of x − reference that sumExp accepts. Above HIGHEST, the rounding of the difference, half a unit in the last
 * place, exceeds the error that is allowed for lse: 1e-6 up to 32, and 2e-6 beyond. Below LOWEST, exp is less than the
 * smallest normal float32.
 */
const HIGHEST: f32 = 21.83;
const LOWEST: f32 = -88.3;

/**
 * HIGHEST of scale·(x − reference). The scale multiplies the rounding of the difference, and the strict variant also
 * rounds the product.
 */
const HIGHEST_SCALED: f64 = ASC_FEATURE_RELAXED_SIMD ? 16 : 11;

/**
 * Least difference d. exp(d) is the smallest normal float32, negligible beside the 1 of the maximum for any number of
 * terms.
 */
export const FLOOR: f32 = -87.33654;

/**
 * Σ exp(x − reference) over n elements, or OUT_OF_RANGE as soon as a tile holds an element too far from the reference,
 * a NaN or an infinity. The maximum and minimum of the elements detect these cases, except NaN, which makes the sum
 * NaN. Each variant has its own function: compiled into one function, they are slower. Unless the sum is OUT_OF_RANGE,
 * the maximum of the elements is added to the scan of the row.
 */
export function sumExp<T>(p: usize, n: u32, reference: f32): f64 {
  return sumExpBy<T>(p, n, reference, 1, false, false, 0, false);
}

/** sumExp that also stores the exponentials: n float32 at `keepAt`, meaningless when the sum is OUT_OF_RANGE. */
export function sumExpKept<T>(p: usize, n: u32, reference: f32, keepAt: usize): f64 {
  return sumExpBy<T>(p, n, reference, 1, false, false, keepAt, true);
}

/**
 * Σ exp(x − maximum) over n elements of any values up to the maximum, also −Inf: differences are clamped where the
 * exponential is negligible. The elements must not include NaN or +Inf.
 */
export function sumExpClamped<T>(p: usize, n: u32, maximum: f32): f64 {
  return sumExpBy<T>(p, n, maximum, 1, false, true, 0, false);
}

/** sumExpClamped that also stores the exponentials; clamped ones are 0. */
export function sumExpClampedKept<T>(p: usize, n: u32, maximum: f32, keepAt: usize): f64 {
  return sumExpBy<T>(p, n, maximum, 1, false, true, keepAt, true);
}

/** sumExp of exp(scale·(x − reference)). */
export function sumExpScaled<T>(p: usize, n: u32, reference: f32, scale: f64): f64 {
  return sumExpBy<T>(p, n, reference, scale, true, false, 0, false);
}

export function sumExpScaledKept<T>(p: usize, n: u32, reference: f32, scale: f64, keepAt: usize): f64 {
  return sumExpBy<T>(p, n, reference, scale, true, false, keepAt, true);
}

export function sumExpScaledClamped<T>(p: usize, n: u32, maximum: f32, scale: f64): f64 {
  return sumExpBy<T>(p, n, maximum, scale, true, true, 0, false);
}

export function sumExpScaledClampedKept<T>(p: usize, n: u32, maximum: f32, scale: f64, keepAt: usize): f64 {
  return sumExpBy<T>(p, n, maximum, scale, true, true, keepAt, true);
}

// @ts-expect-error: decorator
@inline
function sumExpBy<T>(
  p: usize, n: u32, reference: f32, scale: f64, scaled: bool, clamped: bool, keepAt: usize, keeps: bool,
): f64 {
  // An infinite float16 is read as ±65536 here (see difference): out of range for every reference but the lowest.
  if (!clamped && sizeof<T>() == 2 && isSigned<T>() && reference < -65000) return OUT_OF_RANGE;
  const ref = f32x4.splat(reference);
  const minusRef = f32x4.splat(-reference);
  const float16Mask = v128.load32_splat(FLOAT16_CONSTANTS);
  const float16Scale = v128.load32_splat(FLOAT16_CONSTANTS + 4);
  const floor = f32x4.splat(scaled ? <f32>(<f64>FLOOR / scale) : FLOOR);
  const kHigh = scaled ? f32x4.splat(<f32>(scale * LOG2E)) : constant(Constant.LOG2E);
  const kLow = scaled ? f32x4.splat(lowPartOf(scale * LOG2E)) : kHigh;
  const rounder = constant(Constant.ROUNDER);
  const minusLn2 = constant(ASC_FEATURE_RELAXED_SIMD ? Constant.MINUS_LN2 : Constant.MINUS_LN2_HIGH);
  const minusLn2Low = constant(Constant.MINUS_LN2_LOW);
  const c1 = constant(scaled ? Constant.B1 : Constant.C1);
  const c2 = constant(scaled ? Constant.B2 : Constant.C2);
  const c3 = constant(scaled ? Constant.B3 : Constant.C3);
  const c4 = constant(scaled ? Constant.B4 : Constant.C4);
  const c5 = constant(scaled ? Constant.B5 : Constant.C5);
  const highest = f32x4.splat(scaled ? <f32>min(HIGHEST_SCALED / scale, farthest<T>() - <f64>reference) : HIGHEST);
  const lowest = f32x4.splat(scaled ? <f32>max(<f64>LOWEST / scale, -farthest<T>() - <f64>reference) : LOWEST);
  const vectorBytes = sizeof<T>() * 4;

  let top = f32x4.splat(-Infinity);
  let bottom = f32x4.splat(Infinity);
  let total = f64x2.splat(0);
  while (n > 0) {
    const length = min(n, TILE);
    let sum0 = f32x4.splat(0);
    let sum1 = sum0;
    let sum2 = sum0;
    let sum3 = sum0;
    const end = p + <usize>(length & ~15) * sizeof<T>();
    while (p < end) {
      const x0 = loadAsIs<T>(p, clamped, float16Mask);
      const x1 = loadAsIs<T>(p + vectorBytes, clamped, float16Mask);
      const x2 = loadAsIs<T>(p + 2 * vectorBytes, clamped, float16Mask);
      const x3 = loadAsIs<T>(p + 3 * vectorBytes, clamped, float16Mask);
      let d0 = difference<T>(x0, clamped, ref, minusRef, float16Scale);
      let d1 = difference<T>(x1, clamped, ref, minusRef, float16Scale);
      let d2 = difference<T>(x2, clamped, ref, minusRef, float16Scale);
      let d3 = difference<T>(x3, clamped, ref, minusRef, float16Scale);
      if (clamped) {
        d0 = f32x4.pmax(floor, d0);
        d1 = f32x4.pmax(floor, d1);
        d2 = f32x4.pmax(floor, d2);
        d3 = f32x4.pmax(floor, d3);
      }
      if (!clamped) {
        top = f32x4.pmax(f32x4.pmax(top, x0), f32x4.pmax(x1, x2));
        bottom = f32x4.pmin(f32x4.pmin(bottom, x0), f32x4.pmin(x1, x2));
        top = f32x4.pmax(top, x3);
        bottom = f32x4.pmin(bottom, x3);
      }
      const t0 = madd(d0, kHigh, rounder);
      const t1 = madd(d1, kHigh, rounder);
      const t2 = madd(d2, kHigh, rounder);
      const t3 = madd(d3, kHigh, rounder);
      let e0 = scaled
        ? expScaled4(d0, t0, rounder, kHigh, kLow, c1, c2, c3, c4, c5)
        : exp4(d0, t0, rounder, minusLn2, minusLn2Low, c1, c2, c3, c4, c5);
      sum0 = f32x4.add(sum0, e0);
      if (keeps) {
        if (clamped) e0 = v128.and(e0, f32x4.gt(d0, floor));
        v128.store(keepAt, e0, 0);
      }
      let e1 = scaled
        ? expScaled4(d1, t1, rounder, kHigh, kLow, c1, c2, c3, c4, c5)
        : exp4(d1, t1, rounder, minusLn2, minusLn2Low, c1, c2, c3, c4, c5);
      sum1 = f32x4.add(sum1, e1);
      if (keeps) {
        if (clamped) e1 = v128.and(e1, f32x4.gt(d1, floor));
        v128.store(keepAt, e1, 16);
      }
      let e2 = scaled
        ? expScaled4(d2, t2, rounder, kHigh, kLow, c1, c2, c3, c4, c5)
        : exp4(d2, t2, rounder, minusLn2, minusLn2Low, c1, c2, c3, c4, c5);
      sum2 = f32x4.add(sum2, e2);
      if (keeps) {
        if (clamped) e2 = v128.and(e2, f32x4.gt(d2, floor));
        v128.store(keepAt, e2, 32);
      }
      let e3 = scaled
        ? expScaled4(d3, t3, rounder, kHigh, kLow, c1, c2, c3, c4, c5)
        : exp4(d3, t3, rounder, minusLn2, minusLn2Low, c1, c2, c3, c4, c5);
      sum3 = f32x4.add(sum3, e3);
      if (keeps) {
        if (clamped) e3 = v128.and(e3, f32x4.gt(d3, floor));
        v128.store(keepAt, e3, 48);
      }
      p += 4 * vectorBytes;
      if (keeps) keepAt += 64;
    }
    let rest = length & 15;
    while (rest > 0) {
      const lanes = min(rest, 4);
      const x = lanes == 4
        ? loadAsIs<T>(p, clamped, float16Mask)
        : asIs<T>(loadLanes<T>(p, lanes, reference), clamped);
      let d = difference<T>(x, clamped, ref, minusRef, float16Scale);
      if (clamped) d = f32x4.pmax(floor, d);
      const t = madd(d, kHigh, rounder);
      if (!clamped) {
        top = f32x4.pmax(top, x);
        bottom = f32x4.pmin(bottom, x);
      }
      let e = scaled
        ? expScaled4(d, t, rounder, kHigh, kLow, c1, c2, c3, c4, c5)
        : exp4(d, t, rounder, minusLn2, minusLn2Low, c1, c2, c3, c4, c5);
      sum0 = f32x4.add(sum0, lanes == 4 ? e : v128.and(e, firstLanes(lanes)));
      if (keeps) {
        if (clamped) e = v128.and(e, f32x4.gt(d, floor));
        storeSome(keepAt, e, lanes);
        keepAt += <usize>lanes << 2;
      }
      p += <usize>lanes * sizeof<T>();
      rest -= lanes;
    }
    const sum = f32x4.add(f32x4.add(sum0, sum1), f32x4.add(sum2, sum3));
    if (!clamped) {
      const isHigh = f32x4.gt(difference<T>(top, clamped, ref, minusRef, float16Scale), highest);
      const isLow = f32x4.lt(difference<T>(bottom, clamped, ref, minusRef, float16Scale), lowest);
      if (v128.any_true(v128.or(v128.or(isHigh, isLow), f32x4.ne(sum, sum)))) return OUT_OF_RANGE;
    }
    total = f64x2.add(total, f64x2.promote_low_f32x4(sum));
    total = f64x2.add(total, f64x2.promote_low_f32x4(v128.shuffle<i64>(sum, sum, 1, 1)));
    n -= length;
  }
  if (!clamped) {
    const x = sizeof<T>() == 2 && isSigned<T>() ? f32x4.mul(top, float16Scale) : top;
    addMaximum(horizontalMaximum<f32>(x));
  }
  return f64x2.extract_lane(total, 0) + f64x2.extract_lane(total, 1);
}

/**
 * Bound between the finite elements and the float16 elements that stand for an infinity. With a small scale these would
 * be within the range.
 */
// @ts-expect-error: decorator
@inline
function farthest<T>(): f64 {
  return sizeof<T>() == 2 && isSigned<T>() ? 65520 : Infinity;
}

/**
 * Loads four elements for `difference`. In the unclamped sum they are float16 times 2^−112 (see loadFloat16), where an
 * exponent field of all ones means 65536 and more, out of range.
 */
// @ts-expect-error: decorator
@inline
function loadAsIs<T>(p: usize, clamped: bool, float16Mask: v128): v128 {
  return sizeof<T>() == 2 && isSigned<T>() && !clamped ? loadFloat16(p, float16Mask) : load4<T>(p);
}

/** loadAsIs for four values in lanes; exact, because float16 is coarse enough. */
// @ts-expect-error: decorator
@inline
function asIs<T>(x: v128, clamped: bool): v128 {
  return sizeof<T>() == 2 && isSigned<T>() && !clamped ? f32x4.mul(x, f32x4.splat(1.9259299e-34)) : x;
}

/** x − reference of four elements from loadAsIs; for float16 in one step, which rounds once. */
// @ts-expect-error: decorator
@inline
function difference<T>(x: v128, clamped: bool, ref: v128, minusRef: v128, float16Scale: v128): v128 {
  if (sizeof<T>() == 2 && isSigned<T>() && !clamped) return madd(x, float16Scale, minusRef);
  return f32x4.sub(x, ref);
}
