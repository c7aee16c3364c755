import { TILE, loadNear, pairsOf } from './divergence-f32';
import { GREATEST_SHIFT } from './divergence-near-f32';
import { PAIR, SUMS, clearSums } from './divergence-sums';
import { madd } from './exp-f32';
import { addMixed, addMixedScaled, ofGain, ofTerm } from './jensen-shannon-f32';
import { FLOAT16_CONSTANTS } from './storage';

/** Sums of the Jensen–Shannon divergence of a row of float32 or narrower. */
export function sumJensenShannon<T>(series: usize, gains: usize): void {
  if (PAIR.scale == 1 && sumNear<T>(series, gains)) return;
  clearSums();
  if (PAIR.scale == 1) addMixed<T>(series, gains, 0, PAIR.classes);
  else addMixedScaled<T>(series, gains);
}

/** Number of tiles after which the remaining ones are not tried when more than a quarter had greater log ratios. */
const TILES_TRIED: u32 = 64;

/**
 * Sums of the Jensen–Shannon divergence of a row without scale whose sides are close to each other. The log ratio d =
 * (y − x) − shift is rounded twice, by less than 2^−24·(2·|d| + 2·|shift|). Let p·φ(d) be a term and γ = 1 − β. |φ'| ≤
 * √(2·βγ·3.7·φ) for |d| < 1, so |shift| adds at most 2^−23·|shift|·√(7.4·βγ·D) to the error of the divergence D: below
 * 5e-7 of D where shift²·βγ ≤ 2·D. Tiles with greater log ratios, or with −Inf, are summed by `addMixed`.
 * @param series, ofGains as for `addMixed`
 * @returns false where shift²·βγ > 2·D or |shift| is too great; the sums are meaningless then
 */
function sumNear<T>(series: usize, ofGains: usize): bool {
  const distance = PAIR.shift + PAIR.shiftLow;
  if (abs(distance) > GREATEST_SHIFT) return false;
  clearSums();
  const shift = f32x4.splat(<f32>distance);
  const limit = v128.load32_splat(series);
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
  for (; first < whole && (farTiles << 2) <= first / TILE + TILES_TRIED; first += TILE) {
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
      terms0 = madd(second0, ofTerm(d0, series), terms0);
      terms1 = madd(second1, ofTerm(d1, series), terms1);
      gains0 = f32x4.add(gains0, madd(second0, ofGain(d0, ofGains), first0));
      gains1 = f32x4.add(gains1, madd(second1, ofGain(d1, ofGains), first1));
      x += 2 * bytes;
      y += 2 * bytes;
    }
    const tile = f32x4.add(terms0, terms1);
    if (i32x4.all_true(v128.and(f32x4.lt(farthest, limit), f32x4.eq(tile, tile)))) {
      terms = f64x2.add(terms, pairsOf(tile));
      gains = f64x2.add(gains, pairsOf(f32x4.add(gains0, gains1)));
      total = f64x2.add(total, pairsOf(f32x4.add(total0, total1)));
    } else {
      farTiles++;
      addMixed<T>(series, ofGains, first, first + TILE);
    }
  }
  addMixed<T>(series, ofGains, first, PAIR.classes);
  SUMS.terms += f64x2.extract_lane(terms, 0) + f64x2.extract_lane(terms, 1);
  SUMS.gains += f64x2.extract_lane(gains, 0) + f64x2.extract_lane(gains, 1);
  SUMS.total += f64x2.extract_lane(total, 0) + f64x2.extract_lane(total, 1);
  return distance * distance * PAIR.beta * (1 - PAIR.beta) * SUMS.total <= 2 * SUMS.terms;
}
