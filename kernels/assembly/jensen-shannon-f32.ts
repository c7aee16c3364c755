import { TILE, loadNear, logRatio, pairsOf } from './divergence-f32';
import { PAIR, SUMS } from './divergence-sums';
import { Constant, constant, exp4, madd } from './exp-f32';
import { loadSome } from './lanes';
import { log4 } from './log-f32';
import { FLOAT16_CONSTANTS, load4 } from './storage';

/** Limit of |d|, which is clamped. Beyond it, the smaller of the two probabilities is negligible and may be subnormal. */
export const GREATEST_DISTANCE: f32 = 40;

/** Least share of a side in the mixture for which the shorter formula does not cancel. */
const LEAST_SHARE: f64 = 0.4;

/** Gains of four lanes, the second result of `farTerm`. */
const LANES = memory.data(16, 16);

/** Adds classes [first, end) of a row to the sums of the Jensen–Shannon divergence. */
export function addMixed<T>(series: usize, gains: usize, first: u32, end: u32): void {
  addBy<T>(series, gains, first, end, false);
}

/** addMixed of a whole row with a scale. */
export function addMixedScaled<T>(series: usize, gains: usize): void {
  addBy<T>(series, gains, 0, PAIR.classes, true);
}

/**
 * Terms are p·d²·P(d) for |d| below the limit of the series, and gains are p·(d + d²·G(d)). Gains need fewer digits: G
 * has a relative error of 2e-6, so the error of Σ (q − p) is below 3e-6·D/(βγ), and that of D is negligible.
 * @param series f32: limit, and eight coefficients of P from the constant up
 * @param ofGains f32: six coefficients of G
 */
// @ts-expect-error: decorator
@inline
function addBy<T>(series: usize, ofGains: usize, first: u32, last: u32, scaled: bool): void {
  let x = PAIR.x + <usize>first * sizeof<T>();
  let y = PAIR.y + <usize>first * sizeof<T>();
  let e = PAIR.e + (<usize>first << 2);
  let f = PAIR.f + (<usize>first << 2);
  const high = <f32>(PAIR.shift + PAIR.shiftLow);
  const shift = f32x4.splat(high);
  const shiftLow = f32x4.splat(<f32>(PAIR.shift - <f64>high + PAIR.shiftLow));
  const scale = f32x4.splat(<f32>PAIR.scale);
  const limit = v128.load32_splat(series);
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
      if (i32x4.all_true(v128.and(near0, near1))) {
        const first0 = f32x4.mul(e0, d0);
        const first1 = f32x4.mul(e1, d1);
        const second0 = f32x4.mul(first0, d0);
        const second1 = f32x4.mul(first1, d1);
        terms0 = madd(second0, ofTerm(d0, series), terms0);
        terms1 = madd(second1, ofTerm(d1, series), terms1);
        gains0 = f32x4.add(gains0, madd(second0, ofGain(d0, ofGains), first0));
        gains1 = f32x4.add(gains1, madd(second1, ofGain(d1, ofGains), first1));
      } else {
        let term0 = farTerm(load4<T>(x), load4<T>(y), d0, e0, v128.load(f));
        let gain0 = v128.load(LANES);
        let term1 = farTerm(load4<T>(x + bytes), load4<T>(y + bytes), d1, e1, v128.load(f, 16));
        let gain1 = v128.load(LANES);
        if (v128.any_true(v128.or(near0, near1))) {
          const first0 = f32x4.mul(e0, d0);
          const first1 = f32x4.mul(e1, d1);
          const second0 = f32x4.mul(first0, d0);
          const second1 = f32x4.mul(first1, d1);
          term0 = v128.bitselect(f32x4.mul(second0, ofTerm(d0, series)), term0, near0);
          term1 = v128.bitselect(f32x4.mul(second1, ofTerm(d1, series)), term1, near1);
          gain0 = v128.bitselect(madd(second0, ofGain(d0, ofGains), first0), gain0, near0);
          gain1 = v128.bitselect(madd(second1, ofGain(d1, ofGains), first1), gain1, near1);
        }
        terms0 = f32x4.add(terms0, term0);
        terms1 = f32x4.add(terms1, term1);
        gains0 = f32x4.add(gains0, gain0);
        gains1 = f32x4.add(gains1, gain1);
      }
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
      const first0 = f32x4.mul(e0, d0);
      const second0 = f32x4.mul(first0, d0);
      const far0 = farTerm(x0, y0, d0, e0, f0);
      const gain0 = v128.load(LANES);
      terms0 = f32x4.add(terms0, v128.bitselect(f32x4.mul(second0, ofTerm(d0, series)), far0, near0));
      gains0 = f32x4.add(gains0, v128.bitselect(madd(second0, ofGain(d0, ofGains), first0), gain0, near0));
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

/** P(d) */
// @ts-expect-error: decorator
@inline
export function ofTerm(d: v128, series: usize): v128 {
  let p = madd(v128.load32_splat(series, 32), d, v128.load32_splat(series, 28));
  p = madd(p, d, v128.load32_splat(series, 24));
  p = madd(p, d, v128.load32_splat(series, 20));
  p = madd(p, d, v128.load32_splat(series, 16));
  p = madd(p, d, v128.load32_splat(series, 12));
  p = madd(p, d, v128.load32_splat(series, 8));
  return madd(p, d, v128.load32_splat(series, 4));
}

/** G(d) */
// @ts-expect-error: decorator
@inline
function ofGain(d: v128, series: usize): v128 {
  let p = madd(v128.load32_splat(series, 20), d, v128.load32_splat(series, 16));
  p = madd(p, d, v128.load32_splat(series, 12));
  p = madd(p, d, v128.load32_splat(series, 8));
  p = madd(p, d, v128.load32_splat(series, 4));
  return madd(p, d, v128.load32_splat(series));
}

/** exp(−distance) for distances from 0 to GREATEST_DISTANCE. */
// @ts-expect-error: decorator
@inline
export function expOfMinus(distance: v128): v128 {
  const d = f32x4.neg(distance);
  return exp4(
    d, madd(d, constant(Constant.LOG2E), constant(Constant.ROUNDER)), constant(Constant.ROUNDER),
    constant(ASC_FEATURE_RELAXED_SIMD ? Constant.MINUS_LN2 : Constant.MINUS_LN2_HIGH), constant(Constant.MINUS_LN2_LOW),
    constant(Constant.C1), constant(Constant.C2), constant(Constant.C3), constant(Constant.C4), constant(Constant.C5),
  );
}

/**
 * Terms with |d| beyond the series. Stores their gains q − p in LANES. Both follow from the greater probability,
 * because the smaller one is its product with z = exp −|d|. A difference beyond float32 makes the term NaN.
 */
function farTerm(x: v128, y: v128, d: v128, p: v128, f: v128): v128 {
  const greatest = f32x4.splat(GREATEST_DISTANCE);
  const negInf = f32x4.splat(-Infinity);
  d = v128.bitselect(f32x4.neg(greatest), d, f32x4.eq(y, negInf));
  d = v128.bitselect(greatest, d, f32x4.eq(x, negInf));
  const isRaised = f32x4.gt(d, f32x4.splat(0));
  const distance = f32x4.pmin(f32x4.abs(d), greatest);
  const z = expOfMinus(distance);
  const gap = f32x4.sub(f32x4.splat(1), z);
  const mass = v128.bitselect(f32x4.mul(f, f32x4.splat(<f32>PAIR.factor)), p, isRaised);
  const gain = f32x4.mul(mass, gap);
  v128.store(LANES, v128.bitselect(gain, f32x4.neg(gain), isRaised));
  const least = min(PAIR.beta, 1 - PAIR.beta);
  return least < LEAST_SHARE
    ? unequalTerm(mass, z, gap, distance, isRaised, least)
    : equalTerm(mass, z, distance, isRaised);
}

/** −g·(m·log m + c·z·|d|) with the greater probability g, its share a of the mixture, c = 1 − a, and m = a + c·z. */
// @ts-expect-error: decorator
@inline
function equalTerm(mass: v128, z: v128, distance: v128, isRaised: v128): v128 {
  const beta = f32x4.splat(<f32>PAIR.beta);
  const gamma = f32x4.splat(<f32>(1 - PAIR.beta));
  const rest = f32x4.mul(v128.bitselect(beta, gamma, isRaised), z);
  const mixture = f32x4.add(v128.bitselect(gamma, beta, isRaised), rest);
  const log = log4(mixture, f32x4.sub(mixture, f32x4.splat(1)));
  return f32x4.neg(f32x4.mul(mass, madd(mixture, log, f32x4.mul(rest, distance))));
}

/**
 * Let s be the probability with the smaller share ε in the mixture, g the other one, and δ = log(s/g). The term is
 * ε·s·log(s/m) − (1 − ε)·g·log(m/g), where log(m/g) = log(1 + ε·(e^δ − 1)) and log(s/m) = δ − log(m/g). For ε·(e^δ − 1)
 * > 1, log(s/m) = −log(ε + (1 − ε)·e^−δ) and log(m/g) = δ − log(s/m). So both keep their digits, and every part of the
 * term has the factor ε for small ε.
 */
function unequalTerm(mass: v128, z: v128, gap: v128, distance: v128, isRaised: v128, least: f64): v128 {
  const one = f32x4.splat(1);
  const ofS = f32x4.splat(<f32>least);
  const ofG = f32x4.splat(<f32>(1 - least));
  const isAbove = PAIR.beta < 0.5 ? v128.not(isRaised) : isRaised;
  const delta = v128.bitselect(distance, f32x4.neg(distance), isAbove);
  const lesser = f32x4.mul(mass, z);
  const s = v128.bitselect(mass, lesser, isAbove);
  const g = v128.bitselect(lesser, mass, isAbove);
  const step = f32x4.mul(ofS, gap);
  const increase = v128.bitselect(f32x4.div(step, z), f32x4.neg(step), isAbove);
  const isOther = f32x4.gt(increase, one);
  const share = madd(ofG, z, ofS);
  const log = log4(
    v128.bitselect(share, f32x4.add(one, increase), isOther),
    v128.bitselect(f32x4.sub(share, one), increase, isOther),
  );
  const rest = v128.bitselect(f32x4.add(delta, log), f32x4.sub(delta, log), isOther);
  const logOfS = v128.bitselect(f32x4.neg(log), rest, isOther);
  const logOfM = v128.bitselect(rest, log, isOther);
  return f32x4.sub(f32x4.mul(f32x4.mul(ofS, s), logOfS), f32x4.mul(f32x4.mul(ofG, g), logOfM));
}
