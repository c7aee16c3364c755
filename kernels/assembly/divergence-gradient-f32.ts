import { expOf, isNegInf, loadNear, logRatio, nearTerm } from './divergence-f32';
import { PAIR } from './divergence-sums';
import { GREATEST_RATIO } from './jensen-shannon';
import { madd } from './exp-f32';
import { loadSome, storeSome } from './lanes';
import { FLOAT16_CONSTANTS, load4 } from './storage';

/**
 * Stores k·(q − p) of a row. Where q is close to p, the difference would cancel, and k·p·(d + d²·P(d)) is stored.
 * @returns false when the differences of some logits leave the range of float32
 */
export function writeGradient<T>(out: usize, k: f32, series: usize): bool {
  return PAIR.scale == 1 ? writePlain<T>(out, k, series) : writeScaled<T>(out, k, series);
}

function writePlain<T>(out: usize, k: f32, series: usize): bool {
  return writeBy<T>(out, k, series, false);
}

function writeScaled<T>(out: usize, k: f32, series: usize): bool {
  return writeBy<T>(out, k, series, true);
}

// @ts-expect-error: decorator
@inline
function writeBy<T>(out: usize, k: f32, series: usize, scaled: bool): bool {
  let x = PAIR.x;
  let y = PAIR.y;
  let e = PAIR.e;
  let f = PAIR.f;
  const high = <f32>(PAIR.shift + PAIR.shiftLow);
  const shift = f32x4.splat(high);
  const shiftLow = f32x4.splat(<f32>(PAIR.shift - <f64>high + PAIR.shiftLow));
  const scale = f32x4.splat(<f32>PAIR.scale);
  const factor = f32x4.splat(<f32>PAIR.factor);
  const k4 = f32x4.splat(k);
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
  const ofFloat16 = v128.load32_splat(FLOAT16_CONSTANTS + 4);
  let unknown = i32x4.splat(0);
  const end = out + (<usize>(PAIR.classes & ~7) << 2);
  for (; out < end; out += 32) {
    const d0 = logRatio(
      loadNear<T>(x, mask, ofFloat16, scaled), loadNear<T>(y, mask, ofFloat16, scaled), shift, shiftLow, scale, scaled,
    );
    const d1 = logRatio(
      loadNear<T>(x + bytes, mask, ofFloat16, scaled), loadNear<T>(y + bytes, mask, ofFloat16, scaled), shift, shiftLow,
      scale, scaled,
    );
    const e0 = v128.load(e);
    const e1 = v128.load(e, 16);
    const near0 = f32x4.lt(f32x4.abs(d0), limit);
    const near1 = f32x4.lt(f32x4.abs(d1), limit);
    let g0 = f32x4.add(f32x4.mul(e0, d0), nearTerm(d0, e0, c0, c1, c2, c3, c4, c5, c6));
    let g1 = f32x4.add(f32x4.mul(e1, d1), nearTerm(d1, e1, c0, c1, c2, c3, c4, c5, c6));
    if (!i32x4.all_true(v128.and(near0, near1))) {
      const none0 = isNegInf(load4<T>(x), load4<T>(y));
      const none1 = isNegInf(load4<T>(x + bytes), load4<T>(y + bytes));
      g0 = v128.bitselect(g0, farElement(none0, d0, e0, f32x4.mul(v128.load(f), factor)), near0);
      g1 = v128.bitselect(g1, farElement(none1, d1, e1, f32x4.mul(v128.load(f, 16), factor)), near1);
      unknown = v128.or(unknown, v128.andnot(f32x4.ne(d0, d0), none0));
      unknown = v128.or(unknown, v128.andnot(f32x4.ne(d1, d1), none1));
    }
    v128.store(out, f32x4.mul(k4, g0));
    v128.store(out, f32x4.mul(k4, g1), 16);
    x += 2 * bytes;
    y += 2 * bytes;
    e += 32;
    f += 32;
  }
  for (let n = PAIR.classes & 7; n > 0; ) {
    const lanes = min(n, 4);
    const x4 = loadSome<T>(x, lanes);
    const y4 = loadSome<T>(y, lanes);
    const e4 = loadSome<f32>(e, lanes);
    const d = logRatio(x4, y4, shift, shiftLow, scale, scaled);
    const near = f32x4.lt(f32x4.abs(d), limit);
    let g = f32x4.add(f32x4.mul(e4, d), nearTerm(d, e4, c0, c1, c2, c3, c4, c5, c6));
    if (!i32x4.all_true(near)) {
      const f4 = loadSome<f32>(f, lanes);
      const none = isNegInf(x4, y4);
      g = v128.bitselect(g, farElement(none, d, e4, f32x4.mul(f4, factor)), near);
      unknown = v128.or(unknown, v128.andnot(f32x4.ne(d, d), none));
    }
    g = f32x4.mul(k4, g);
    storeSome(out, g, lanes);
    x += <usize>lanes * sizeof<T>();
    y += <usize>lanes * sizeof<T>();
    e += <usize>lanes << 2;
    f += <usize>lanes << 2;
    out += <usize>lanes << 2;
    n -= lanes;
  }
  return !v128.any_true(unknown);
}

/** p·(exp d − 1); q − p for large d and where one side is −Inf. */
function farElement(none: v128, d: v128, p: v128, q: v128): v128 {
  const isDirect = v128.or(f32x4.gt(d, f32x4.splat(<f32>GREATEST_RATIO)), none);
  return v128.bitselect(f32x4.sub(q, p), f32x4.mul(p, f32x4.sub(expOf(d), f32x4.splat(1))), isDirect);
}

/** Stores k·q·(d − KL) of a row; 0 where q is 0. @returns false when an element leaves the range of float32 */
export function writeReverseGradient<T>(out: usize, k: f32, divergence: f32): bool {
  let x = PAIR.x;
  let y = PAIR.y;
  let f = PAIR.f;
  const high = <f32>(PAIR.shift + PAIR.shiftLow);
  const shift = f32x4.splat(high);
  const shiftLow = f32x4.splat(<f32>(PAIR.shift - <f64>high + PAIR.shiftLow));
  const scale = f32x4.splat(<f32>PAIR.scale);
  const k4 = f32x4.splat(k);
  const mean = f32x4.splat(divergence);
  const zero = f32x4.splat(0);
  let unknown = zero;
  for (let n = PAIR.classes; n > 0; ) {
    const lanes = min(n, 4);
    const x4 = loadSome<T>(x, lanes);
    const y4 = loadSome<T>(y, lanes);
    const q = loadSome<f32>(f, lanes);
    const d = logRatio(x4, y4, shift, shiftLow, scale, true);
    const element = f32x4.mul(f32x4.mul(k4, q), f32x4.sub(d, mean));
    const g = v128.and(element, f32x4.ne(q, zero));
    // g·0 is NaN where g is not finite.
    unknown = madd(g, zero, unknown);
    storeSome(out, g, lanes);
    x += <usize>lanes * sizeof<T>();
    y += <usize>lanes * sizeof<T>();
    f += <usize>lanes << 2;
    out += <usize>lanes << 2;
    n -= lanes;
  }
  return !v128.any_true(f32x4.ne(unknown, unknown));
}
