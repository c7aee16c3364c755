import { TILE, addPlain, addScaled, loadNear, pairsOf, seriesAt } from './divergence-f32';
import { PAIR, SUMS, clearSums } from './divergence-sums';
import { madd } from './exp-f32';
import { addMixed, addMixedScaled, ofGain, ofTerm } from './jensen-shannon-f32';
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
  let terms = f64x2.splat(0);
  let gains = terms;
  let total = terms;
  let first: u32 = 0;
  let farTiles: u32 = 0;
  const whole = PAIR.classes & ~(TILE - 1);
  for (; first < whole && (farTiles << 2) <= first / TILE + ALLOWANCE; first += TILE) {
    let terms0 = f32x4.splat(0);
    let terms1 = terms0;
    let gains0 = terms0;
    let gains1 = terms0;
    let total0 = terms0;
    let total1 = terms0;
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
      if (mixed) {
        terms0 = madd(second0, ofTerm(d0, series), terms0);
        terms1 = madd(second1, ofTerm(d1, series), terms1);
        gains0 = f32x4.add(gains0, madd(second0, ofGain(d0, ofGains), first0));
        gains1 = f32x4.add(gains1, madd(second1, ofGain(d1, ofGains), first1));
      } else {
        terms0 = madd(second0, seriesAt(d0, c0, c1, c2, c3, c4, c5, c6), terms0);
        terms1 = madd(second1, seriesAt(d1, c0, c1, c2, c3, c4, c5, c6), terms1);
        gains0 = f32x4.add(gains0, first0);
        gains1 = f32x4.add(gains1, first1);
      }
      x += 2 * bytes;
      y += 2 * bytes;
    }
    const tile = f32x4.add(terms0, terms1);
    if (i32x4.all_true(v128.and(f32x4.lt(farthest, limit), f32x4.eq(tile, tile)))) {
      const ofTile = f32x4.add(gains0, gains1);
      terms = f64x2.add(terms, pairsOf(tile));
      // The gain q − p of the Kullback–Leibler divergence is e·d plus the term.
      gains = f64x2.add(gains, pairsOf(mixed ? ofTile : f32x4.add(tile, ofTile)));
      total = f64x2.add(total, pairsOf(f32x4.add(total0, total1)));
    } else {
      farTiles++;
      if (mixed) addMixed<T>(series, ofGains, first, first + TILE);
      else addPlain<T>(series, first, first + TILE);
    }
  }
  if (mixed) addMixed<T>(series, ofGains, first, PAIR.classes);
  else addPlain<T>(series, first, PAIR.classes);
  SUMS.terms += f64x2.extract_lane(terms, 0) + f64x2.extract_lane(terms, 1);
  SUMS.gains += f64x2.extract_lane(gains, 0) + f64x2.extract_lane(gains, 1);
  SUMS.total += f64x2.extract_lane(total, 0) + f64x2.extract_lane(total, 1);
  const square = distance * distance * SUMS.total;
  return mixed ? square * PAIR.beta * (1 - PAIR.beta) <= 2 * SUMS.terms : square <= 4 * SUMS.terms;
}
