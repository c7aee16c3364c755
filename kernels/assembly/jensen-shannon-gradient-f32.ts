import { TILE, loadNear, logRatio, pairsOf } from './divergence-f32';
import { PAIR } from './divergence-sums';
import { madd } from './exp-f32';
import { GREATEST_DISTANCE, expOfMinus } from './jensen-shannon-f32';
import { loadSome, storeSome } from './lanes';
import { log4 } from './log-f32';
import { horizontalSum } from './pairs';
import { FLOAT16_CONSTANTS, load4 } from './storage';

/**
 * Stores k·q·(log(q/m) − KL(q‖m)) of a row of float32 or narrower. KL(q‖m) = Σ q·log(q/m) / Σ q: the division removes
 * the error of Σ q; errors of log(q/m) remain.
 * @param series f32: limit of |d|, at its address
 * @param ratios f32: nine coefficients of log(q/m) / d from the constant up
 * @returns false when a difference of logits leaves the range of float32
 */
export function writeMixedGradient<T>(out: usize, k: f64, series: usize, ratios: usize): bool {
  const mean = PAIR.scale == 1 ? storePlain<T>(out, series, ratios) : storeScaled<T>(out, series, ratios);
  if (!isFinite(mean)) return false;
  const mean4 = f32x4.splat(<f32>mean);
  const k4 = f32x4.splat(<f32>(k * PAIR.factor));
  let f = PAIR.f;
  for (let n = PAIR.classes; n > 0; ) {
    const lanes = min(n, 4);
    const q = loadSome<f32>(f, lanes);
    const ratio = loadSome<f32>(out, lanes);
    const g = f32x4.mul(f32x4.mul(k4, q), f32x4.sub(ratio, mean4));
    storeSome(out, g, lanes);
    f += <usize>lanes << 2;
    out += <usize>lanes << 2;
    n -= lanes;
  }
  return true;
}

function storePlain<T>(out: usize, series: usize, ratios: usize): f64 {
  return storeRatios<T>(out, series, ratios, false);
}

function storeScaled<T>(out: usize, series: usize, ratios: usize): f64 {
  return storeRatios<T>(out, series, ratios, true);
}

/** Stores log(q/m) of each class, 0 where q is 0. @returns its mean weighted by q */
// @ts-expect-error: decorator
@inline
function storeRatios<T>(out: usize, series: usize, ratios: usize, scaled: bool): f64 {
  let x = PAIR.x;
  let y = PAIR.y;
  let f = PAIR.f;
  const high = <f32>(PAIR.shift + PAIR.shiftLow);
  const shift = f32x4.splat(high);
  const shiftLow = f32x4.splat(<f32>(PAIR.shift - <f64>high + PAIR.shiftLow));
  const scale = f32x4.splat(<f32>PAIR.scale);
  const limit = v128.load32_splat(series);
  const bytes = sizeof<T>() * 4;
  const mask = v128.load32_splat(FLOAT16_CONSTANTS);
  const factor = v128.load32_splat(FLOAT16_CONSTANTS + 4);
  const zero = f32x4.splat(0);
  let mass = f64x2.splat(0);
  let sum = mass;
  for (let n = PAIR.classes; n > 0; ) {
    const length = min(n, TILE);
    let mass0 = zero;
    let mass1 = zero;
    let sum0 = zero;
    let sum1 = zero;
    const end = x + <usize>(length & ~7) * sizeof<T>();
    for (; x < end; x += 2 * bytes) {
      const d0 = logRatio(
        loadNear<T>(x, mask, factor, scaled), loadNear<T>(y, mask, factor, scaled), shift, shiftLow, scale, scaled,
      );
      const d1 = logRatio(
        loadNear<T>(x + bytes, mask, factor, scaled), loadNear<T>(y + bytes, mask, factor, scaled), shift, shiftLow,
        scale, scaled,
      );
      const q0 = v128.load(f);
      const q1 = v128.load(f, 16);
      const near0 = f32x4.lt(f32x4.abs(d0), limit);
      const near1 = f32x4.lt(f32x4.abs(d1), limit);
      let ratio0 = nearRatio(d0, ratios);
      let ratio1 = nearRatio(d1, ratios);
      if (!i32x4.all_true(v128.and(near0, near1))) {
        ratio0 = v128.bitselect(ratio0, farRatio(load4<T>(x), d0), near0);
        ratio1 = v128.bitselect(ratio1, farRatio(load4<T>(x + bytes), d1), near1);
        ratio0 = v128.and(ratio0, f32x4.ne(q0, zero));
        ratio1 = v128.and(ratio1, f32x4.ne(q1, zero));
      }
      v128.store(out, ratio0);
      v128.store(out, ratio1, 16);
      mass0 = f32x4.add(mass0, q0);
      mass1 = f32x4.add(mass1, q1);
      sum0 = madd(q0, ratio0, sum0);
      sum1 = madd(q1, ratio1, sum1);
      y += 2 * bytes;
      f += 32;
      out += 32;
    }
    for (let rest = length & 7; rest > 0; ) {
      const lanes = min(rest, 4);
      const x0 = loadSome<T>(x, lanes);
      const y0 = loadSome<T>(y, lanes);
      const q0 = loadSome<f32>(f, lanes);
      const d0 = logRatio(x0, y0, shift, shiftLow, scale, scaled);
      const near0 = f32x4.lt(f32x4.abs(d0), limit);
      let ratio0 = v128.bitselect(nearRatio(d0, ratios), farRatio(x0, d0), near0);
      ratio0 = v128.and(ratio0, f32x4.ne(q0, zero));
      storeSome(out, ratio0, lanes);
      mass0 = f32x4.add(mass0, q0);
      sum0 = madd(q0, ratio0, sum0);
      x += <usize>lanes * sizeof<T>();
      y += <usize>lanes * sizeof<T>();
      f += <usize>lanes << 2;
      out += <usize>lanes << 2;
      rest -= lanes;
    }
    mass = f64x2.add(mass, pairsOf(f32x4.add(mass0, mass1)));
    sum = f64x2.add(sum, pairsOf(f32x4.add(sum0, sum1)));
    n -= length;
  }
  return horizontalSum(sum) / horizontalSum(mass);
}

/** log(q/m) for |d| below the limit of the series. */
// @ts-expect-error: decorator
@inline
function nearRatio(d: v128, ratios: usize): v128 {
  let p = madd(v128.load32_splat(ratios, 32), d, v128.load32_splat(ratios, 28));
  p = madd(p, d, v128.load32_splat(ratios, 24));
  p = madd(p, d, v128.load32_splat(ratios, 20));
  p = madd(p, d, v128.load32_splat(ratios, 16));
  p = madd(p, d, v128.load32_splat(ratios, 12));
  p = madd(p, d, v128.load32_splat(ratios, 8));
  p = madd(p, d, v128.load32_splat(ratios, 4));
  p = madd(p, d, v128.load32_splat(ratios));
  return f32x4.mul(p, d);
}

/**
 * log(q/m) = −log(1 + β·(exp −d − 1)) for other d. With z = exp −|d| the argument is 1 − β·(1 − z) for d > 0, or (1 −
 * β) + β·z, which does not cancel, and 1 + β·(1 − z)/z for d < 0. A NaN in d is copied to the result, because log4
 * drops it.
 */
function farRatio(x: v128, d: v128): v128 {
  const greatest = f32x4.splat(GREATEST_DISTANCE);
  d = v128.bitselect(greatest, d, f32x4.eq(x, f32x4.splat(-Infinity)));
  const isRaised = f32x4.gt(d, f32x4.splat(0));
  const z = expOfMinus(f32x4.pmin(f32x4.abs(d), greatest));
  const beta = f32x4.splat(<f32>PAIR.beta);
  const step = f32x4.mul(beta, f32x4.sub(f32x4.splat(1), z));
  const increase = f32x4.div(step, z);
  const share = madd(beta, z, f32x4.splat(<f32>(1 - PAIR.beta)));
  const log = log4(
    v128.bitselect(share, f32x4.add(f32x4.splat(1), increase), isRaised),
    v128.bitselect(f32x4.neg(step), increase, isRaised),
  );
  return v128.or(f32x4.neg(log), f32x4.ne(d, d));
}
