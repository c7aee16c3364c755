import { Constant, constant, exp4, madd } from './exp-f32';
import { PAIR, SUMS } from './divergence-sums';
import { GREATEST_RATIO } from './jensen-shannon';
import { loadSome } from './lanes';
import { errorOfDifference } from './log-ratio';
import { FLOAT16_CONSTANTS, load4, loadFloat16 } from './storage';

/** Elements per sum in float32, eight to a lane. In a flat row all roundings of a longer sum have the same direction. */
export const TILE: u32 = 64;

/** Adds classes [first, end) of a row to the sums of the Kullback–Leibler divergence of q from p. */
export function addPlain<T>(series: usize, first: u32, end: u32): void {
  addBy<T>(series, first, end, false);
}

/** addPlain of a whole row with a scale. */
export function addScaled<T>(series: usize): void {
  addBy<T>(series, 0, PAIR.classes, true);
}

/**
 * Loads four logits. Without a scale, −Infinity of float16 is read as −65536. Beside a finite logit the log ratio is
 * then beyond the limit of the series, and the caller loads the logits again by `load4`. Beside −Infinity the
 * exponential is 0.
 */
// @ts-expect-error: decorator
@inline
export function loadNear<T>(p: usize, mask: v128, factor: v128, scaled: bool): v128 {
  return !scaled && sizeof<T>() == 2 && isSigned<T>() ? f32x4.mul(loadFloat16(p, mask), factor) : load4<T>(p);
}

/**
 * Terms are p·d²·P(d) for |d| below the limit of the series, without cancellation: d includes the rounding error of the
 * difference of the logits.
 * @param series f32: limit, and seven coefficients of P from the constant up
 */
// @ts-expect-error: decorator
@inline
function addBy<T>(series: usize, first: u32, last: u32, scaled: bool): void {
  let x = PAIR.x + <usize>first * sizeof<T>();
  let y = PAIR.y + <usize>first * sizeof<T>();
  let e = PAIR.e + (<usize>first << 2);
  let f = PAIR.f + (<usize>first << 2);
  const high = <f32>(PAIR.shift + PAIR.shiftLow);
  const shift = f32x4.splat(high);
  const shiftLow = f32x4.splat(<f32>(PAIR.shift - <f64>high + PAIR.shiftLow));
  const scale = f32x4.splat(<f32>PAIR.scale);
  const limit = v128.load32_splat(series);
  const c0 = v128.load32_splat(series, 4);
  const c1 = v128.load32_splat(series, 8);
  const c2 = v128.load32_splat(series, 12);
  const c3 = v128.load32_splat(series, 16);
  const c4 = v128.load32_splat(series, 20);
  const c5 = v128.load32_splat(series, 24);
  const c6 = v128.load32_splat(series, 28);
  const bytes = sizeof<T>() * 4;
  const mask = v128.load32_splat(FLOAT16_CONSTANTS);
  const factor = v128.load32_splat(FLOAT16_CONSTANTS + 4);
  let terms = f64x2.splat(0);
  let gains = terms;
  let total = terms;
  for (let n = last - first; n > 0; ) {
    const length = min(n, TILE);
    let terms0 = f32x4.splat(0);
    let terms1 = terms0;
    let gains0 = terms0;
    let gains1 = terms0;
    let total0 = terms0;
    let total1 = terms0;
    const end = x + <usize>(length & ~7) * sizeof<T>();
    for (; x < end; x += 2 * bytes) {
      const d0 = logRatio(
        loadNear<T>(x, mask, factor, scaled), loadNear<T>(y, mask, factor, scaled), shift, shiftLow, scale, scaled,
      );
      const d1 = logRatio(
        loadNear<T>(x + bytes, mask, factor, scaled), loadNear<T>(y + bytes, mask, factor, scaled), shift, shiftLow,
        scale, scaled,
      );
      const e0 = v128.load(e);
      const e1 = v128.load(e, 16);
      total0 = f32x4.add(total0, e0);
      total1 = f32x4.add(total1, e1);
      const near0 = f32x4.lt(f32x4.abs(d0), limit);
      const near1 = f32x4.lt(f32x4.abs(d1), limit);
      let term0 = nearTerm(d0, e0, c0, c1, c2, c3, c4, c5, c6);
      let term1 = nearTerm(d1, e1, c0, c1, c2, c3, c4, c5, c6);
      if (i32x4.all_true(v128.and(near0, near1))) {
        gains0 = f32x4.add(gains0, madd(e0, d0, term0));
        gains1 = f32x4.add(gains1, madd(e1, d1, term1));
      } else {
        const x0 = load4<T>(x);
        const x1 = load4<T>(x + bytes);
        const y0 = load4<T>(y);
        const y1 = load4<T>(y + bytes);
        const none0 = isNegInf(x0, y0);
        const none1 = isNegInf(x1, y1);
        const known0 = v128.andnot(d0, none0);
        const known1 = v128.andnot(d1, none1);
        const f0 = v128.load(f);
        const f1 = v128.load(f, 16);
        const gain0 = farGain(none0, known0, e0, f0);
        const gain1 = farGain(none1, known1, e1, f1);
        gains0 = f32x4.add(gains0, v128.bitselect(madd(e0, d0, term0), gain0, near0));
        gains1 = f32x4.add(gains1, v128.bitselect(madd(e1, d1, term1), gain1, near1));
        term0 = v128.bitselect(term0, f32x4.sub(gain0, f32x4.mul(e0, known0)), near0);
        term1 = v128.bitselect(term1, f32x4.sub(gain1, f32x4.mul(e1, known1)), near1);
      }
      terms0 = f32x4.add(terms0, term0);
      terms1 = f32x4.add(terms1, term1);
      y += 2 * bytes;
      e += 32;
      f += 32;
    }
    for (let rest = length & 7; rest > 0; ) {
      const lanes = min(rest, 4);
      const x0 = loadSome<T>(x, lanes);
      const y0 = loadSome<T>(y, lanes);
      const e0 = loadSome<f32>(e, lanes);
      const f0 = loadSome<f32>(f, lanes);
      const d0 = logRatio(x0, y0, shift, shiftLow, scale, scaled);
      const near0 = f32x4.lt(f32x4.abs(d0), limit);
      const none0 = isNegInf(x0, y0);
      const known0 = v128.andnot(d0, none0);
      let term0 = nearTerm(d0, e0, c0, c1, c2, c3, c4, c5, c6);
      const gain0 = farGain(none0, known0, e0, f0);
      gains0 = f32x4.add(gains0, v128.bitselect(madd(e0, d0, term0), gain0, near0));
      term0 = v128.bitselect(term0, f32x4.sub(gain0, f32x4.mul(e0, known0)), near0);
      terms0 = f32x4.add(terms0, term0);
      total0 = f32x4.add(total0, e0);
      x += <usize>lanes * sizeof<T>();
      y += <usize>lanes * sizeof<T>();
      e += <usize>lanes << 2;
      f += <usize>lanes << 2;
      rest -= lanes;
    }
    terms = f64x2.add(terms, pairsOf(f32x4.add(terms0, terms1)));
    gains = f64x2.add(gains, pairsOf(f32x4.add(gains0, gains1)));
    total = f64x2.add(total, pairsOf(f32x4.add(total0, total1)));
    n -= length;
  }
  SUMS.terms += f64x2.extract_lane(terms, 0) + f64x2.extract_lane(terms, 1);
  SUMS.gains += f64x2.extract_lane(gains, 0) + f64x2.extract_lane(gains, 1);
  SUMS.total += f64x2.extract_lane(total, 0) + f64x2.extract_lane(total, 1);
}

/** d = scale·((y − x) − shift). The scale is applied last, because scaled logits would be rounded. */
// @ts-expect-error: decorator
@inline
export function logRatio(x: v128, y: v128, shift: v128, shiftLow: v128, scale: v128, scaled: bool): v128 {
  const t = f32x4.sub(y, x);
  const d = f32x4.add(f32x4.sub(t, shift), f32x4.sub(errorOfDifference(t, y, x), shiftLow));
  return scaled ? f32x4.mul(d, scale) : d;
}

/** e·d²·P(d) */
// @ts-expect-error: decorator
@inline
export function nearTerm(
  d: v128, e: v128, c0: v128, c1: v128, c2: v128, c3: v128, c4: v128, c5: v128, c6: v128,
): v128 {
  return f32x4.mul(f32x4.mul(d, d), f32x4.mul(e, seriesAt(d, c0, c1, c2, c3, c4, c5, c6)));
}

/** P(d) */
// @ts-expect-error: decorator
@inline
export function seriesAt(d: v128, c0: v128, c1: v128, c2: v128, c3: v128, c4: v128, c5: v128, c6: v128): v128 {
  let p = madd(c6, d, c5);
  p = madd(p, d, c4);
  p = madd(p, d, c3);
  p = madd(p, d, c2);
  p = madd(p, d, c1);
  return madd(p, d, c0);
}

/** Mask of the lanes in which one side is −Inf. */
// @ts-expect-error: decorator
@inline
export function isNegInf(x: v128, y: v128): v128 {
  const negInf = f32x4.splat(-Infinity);
  return v128.or(f32x4.eq(x, negInf), f32x4.eq(y, negInf));
}

/**
 * q − p as e·(exp d − 1), or directly from q for large d, where e·exp d may be 0·∞, and where one side is −Inf. The
 * term is q − p − e·d.
 * @param d log ratio, 0 where one side is −Inf
 */
function farGain(none: v128, d: v128, e: v128, f: v128): v128 {
  const isDirect = v128.or(f32x4.gt(d, f32x4.splat(<f32>GREATEST_RATIO)), none);
  const direct = f32x4.sub(f32x4.mul(f, f32x4.splat(<f32>PAIR.factor)), e);
  return v128.bitselect(direct, f32x4.mul(e, f32x4.sub(expOf(d), f32x4.splat(1))), isDirect);
}

/** exp d of log ratios up to GREATEST_RATIO. */
// @ts-expect-error: decorator
@inline
export function expOf(d: v128): v128 {
  const clamped = f32x4.pmin(f32x4.splat(<f32>GREATEST_RATIO), f32x4.pmax(f32x4.splat(-87), d));
  return exp4(
    clamped, madd(clamped, constant(Constant.LOG2E), constant(Constant.ROUNDER)), constant(Constant.ROUNDER),
    constant(ASC_FEATURE_RELAXED_SIMD ? Constant.MINUS_LN2 : Constant.MINUS_LN2_HIGH), constant(Constant.MINUS_LN2_LOW),
    constant(Constant.C1), constant(Constant.C2), constant(Constant.C3), constant(Constant.C4), constant(Constant.C5),
  );
}

/** Sums of lanes 0 and 2 and of lanes 1 and 3 of four float32, as two float64. */
// @ts-expect-error: decorator
@inline
export function pairsOf(v: v128): v128 {
  return f64x2.add(f64x2.promote_low_f32x4(v), f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 1)));
}
