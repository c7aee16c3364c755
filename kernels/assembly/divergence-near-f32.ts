import { TILE, addPlain, addScaled, loadNear, pairsOf, seriesAt } from './divergence-f32';
import { PAIR, SUMS, clearSums } from './divergence-sums';
import { madd } from './exp-f32';
import { addMixed, addMixedScaled, ofTerm } from './jensen-shannon-f32';
import { horizontalSum } from './pairs';
import { FLOAT16_CONSTANTS } from './storage';

/**
 * Sums of the Kullback–Leibler divergence of q from p, of a row of float32 or narrower.
 * @param series as for `addPlain`
 */
export function sumDivergence<T>(series: usize): void {
  if (PAIR.scale == 1 && sumNear<T>(series)) return;
  clearSums();
  if (PAIR.scale == 1) addPlain<T>(series, 0, PAIR.classes);
  else addScaled<T>(series);
}

/**
 * Sums of the Jensen–Shannon divergence of a row of float32 or narrower.
 * @param series, gains as for `addMixed`
 */
export function sumJensenShannon<T>(series: usize, gains: usize): void {
  if (PAIR.scale == 1 && sumNearMixed<T>(series, gains)) return;
  clearSums();
  if (PAIR.scale == 1) addMixed<T>(series, gains, 0, PAIR.classes);
  else addMixedScaled<T>(series, gains);
}

function sumNear<T>(series: usize): bool {
  return sumNearBy<T>(series, 0, false);
}

function sumNearMixed<T>(series: usize, gains: usize): bool {
  return sumNearBy<T>(series, gains, true);
}

/** Greatest |shift| for which the condition of `sumNearBy` may hold: beyond it, few rows have so large a divergence. */
const GREATEST_SHIFT: f64 = 2;

/** Limits of S·max |d| and of S between which `sumNearBy` does not compute the gains of the Jensen–Shannon divergence. */
const GREATEST_THIRD_ORDER: f64 = 5e-7;
const LEAST_SECOND_ORDER: f64 = 1e-5;

/**
 * The remaining tiles are not tried when more than a quarter of the tiles so far, and of this number more, had greater log
 * ratios.
 */
const ALLOWANCE: u32 = 64;

/**
 * Sums of a divergence D of a row without scale whose sides are close to each other. The log ratio d = (y − x) − shift is
 * rounded twice, by less than 2^−24·(2·|d| + 2·|shift|). Let p·φ(d) be a term. |d| adds at most 2^−23·|d·φ'/φ| < 3.5e-7 of
 * each term. |shift| adds at most 2^−23·|shift|·Σ p·|φ'| to the error of D:
 * - Kullback–Leibler: Σ |q − p| ≤ √(4.2·D) for |d| < 1, below 5e-7 of D where shift² ≤ 4·D.
 * - Jensen–Shannon, γ = 1 − β: φ'² ≤ e²·βγ·φ for |d| < 1, reached at d = 1 for β → 1. So Σ p·|φ'| ≤ √(7.4·βγ·D), below 5e-7
 *   of D where shift²·βγ ≤ 2·D.
 * Tiles with greater log ratios, or with −Inf, are summed by `addPlain` or `addMixed`.
 *
 * η = Σ (q − p) / Σ p measures the error of lse_q − lse_p, whose effect `divergence` removes. An error δ of η changes D by
 * (|η|·δ + δ²/2)/S + β·δ of itself, where S = D/(βγ).
 * - Kullback–Leibler: Σ (q − p) is Σ p·d plus the terms.
 * - Jensen–Shannon, S·max |d| ≤ 5e-7: Σ (q − p) is Σ p·d plus the terms divided by βγ, δ < 0.4·S·max |d|.
 * - S ≥ 1e-5: the sums of the kept exponentials are subtracted. They do not show their own rounding, δ < 2e-6.
 * - Otherwise the condition does not hold.
 * @param mixed true for Jensen–Shannon, which has `ofGains`
 * @returns false where the condition does not hold; the sums are meaningless then
 */
// @ts-expect-error: decorator
@inline
function sumNearBy<T>(series: usize, ofGains: usize, mixed: bool): bool {
  const distance = PAIR.shift + PAIR.shiftLow;
  if (abs(distance) > GREATEST_SHIFT) return false;
  clearSums();
  const shift = f32x4.splat(<f32>distance);
  const limit = v128.load32_splat(series);
  const c0 = v128.load32_splat(series, 4);
  const c1 = v128.load32_splat(series, 8);
  const c2 = v128.load32_splat(series, 12);
  const c3 = v128.load32_splat(series, 16);
  const c4 = v128.load32_splat(series, 20);
  const c5 = v128.load32_splat(series, 24);
  const c6 = v128.load32_splat(series, 28);
  const mask = v128.load32_splat(FLOAT16_CONSTANTS);
  const factor = v128.load32_splat(FLOAT16_CONSTANTS + 4);
  const bytes = sizeof<T>() * 4;
  let x = PAIR.x;
  let y = PAIR.y;
  let e = PAIR.e;
  let f = PAIR.f;
  let terms = f64x2.splat(0);
  let linear = terms;
  let total = terms;
  let others = terms;
  let first: u32 = 0;
  let farTiles: u32 = 0;
  let greatest = f32x4.splat(0);
  const whole = PAIR.classes & ~(TILE - 1);
  for (; first < whole && (farTiles << 2) <= first / TILE + ALLOWANCE; first += TILE) {
    let terms0 = f32x4.splat(0);
    let terms1 = terms0;
    let linear0 = terms0;
    let linear1 = terms0;
    let total0 = terms0;
    let total1 = terms0;
    let others0 = terms0;
    let others1 = terms0;
    let farthest = terms0;
    const end = e + (TILE << 2);
    for (; e < end; e += 32) {
      const d0 = f32x4.sub(f32x4.sub(loadNear<T>(y, mask, factor, false), loadNear<T>(x, mask, factor, false)), shift);
      const d1 = f32x4.sub(
        f32x4.sub(loadNear<T>(y + bytes, mask, factor, false), loadNear<T>(x + bytes, mask, factor, false)), shift,
      );
      const e0 = v128.load(e);
      const e1 = v128.load(e, 16);
      farthest = f32x4.pmax(f32x4.pmax(farthest, f32x4.abs(d0)), f32x4.abs(d1));
      total0 = f32x4.add(total0, e0);
      total1 = f32x4.add(total1, e1);
      const first0 = f32x4.mul(e0, d0);
      const first1 = f32x4.mul(e1, d1);
      const second0 = f32x4.mul(first0, d0);
      const second1 = f32x4.mul(first1, d1);
      linear0 = f32x4.add(linear0, first0);
      linear1 = f32x4.add(linear1, first1);
      if (mixed) {
        terms0 = madd(second0, ofTerm(d0, series), terms0);
        terms1 = madd(second1, ofTerm(d1, series), terms1);
        others0 = f32x4.add(others0, v128.load(f));
        others1 = f32x4.add(others1, v128.load(f, 16));
      } else {
        terms0 = madd(second0, seriesAt(d0, c0, c1, c2, c3, c4, c5, c6), terms0);
        terms1 = madd(second1, seriesAt(d1, c0, c1, c2, c3, c4, c5, c6), terms1);
      }
      x += 2 * bytes;
      y += 2 * bytes;
      f += 32;
    }
    const tile = f32x4.add(terms0, terms1);
    if (i32x4.all_true(v128.and(f32x4.lt(farthest, limit), f32x4.eq(tile, tile)))) {
      terms = f64x2.add(terms, pairsOf(tile));
      linear = f64x2.add(linear, pairsOf(f32x4.add(linear0, linear1)));
      total = f64x2.add(total, pairsOf(f32x4.add(total0, total1)));
      if (mixed) {
        others = f64x2.add(others, pairsOf(f32x4.add(others0, others1)));
        greatest = f32x4.pmax(greatest, farthest);
      }
    } else {
      farTiles++;
      if (mixed) addMixed<T>(series, ofGains, first, first + TILE);
      else addPlain<T>(series, first, first + TILE);
    }
  }
  if (mixed) addMixed<T>(series, ofGains, first, PAIR.classes);
  else addPlain<T>(series, first, PAIR.classes);
  const sum = horizontalSum(terms);
  const p = horizontalSum(total);
  SUMS.terms += sum;
  SUMS.total += p;
  const square = distance * distance * SUMS.total;
  if (!mixed) {
    SUMS.gains += horizontalSum(linear) + sum;
    return square <= 4 * SUMS.terms;
  }
  const product = PAIR.beta * (1 - PAIR.beta);
  const unit = product * SUMS.total;
  const isSmall = i32x4.all_true(f32x4.le(greatest, f32x4.splat(<f32>((GREATEST_THIRD_ORDER * unit) / sum))));
  if (!isSmall && SUMS.terms < LEAST_SECOND_ORDER * unit) return false;
  SUMS.gains += isSmall ? horizontalSum(linear) + sum / product : horizontalSum(others) * PAIR.factor - p;
  return square * product <= 2 * SUMS.terms;
}
