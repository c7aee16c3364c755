import { TILE, addPlain, addScaled, loadNear, pairsOf, seriesAt } from './divergence-f32';
import { PAIR, SUMS, clearSums } from './divergence-sums';
import { madd } from './exp-f32';
import { FLOAT16_CONSTANTS } from './storage';

/** Sums of the Kullback–Leibler divergence of q from p, of a row of float32 or narrower. */
export function sumDivergence<T>(series: usize): void {
  if (PAIR.scale == 1 && sumNear<T>(series)) return;
  clearSums();
  if (PAIR.scale == 1) addPlain<T>(series, 0, PAIR.classes);
  else addScaled<T>(series);
}

/**
 * Greatest |shift| of rows that are summed as near rows. Beyond it, few rows have a divergence so large that the rounding of their
 * log ratios is negligible.
 */
export const GREATEST_SHIFT: f64 = 2;

/**
 * Sums of the Kullback–Leibler divergence of a row without scale whose sides are close to each other. The log ratio d =
 * (y − x) − shift is rounded twice, by less than 2^−24·(2·|d| + 2·|shift|). |shift| adds at most 2^−23·|shift|·Σ |q −
 * p| to the error of the divergence D, and Σ |q − p| ≤ √(4.2·D) for |d| < 1: below 5e-7 of D where shift² ≤ 4·D. Tiles
 * with greater log ratios, or with −Inf, are summed by `addPlain`.
 * @param series as for `sumDivergence`
 * @returns false where shift² > 4·D or |shift| is too great; the sums are meaningless then
 */
function sumNear<T>(series: usize): bool {
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
  const whole = PAIR.classes & ~(TILE - 1);
  for (let first: u32 = 0; first < whole; first += TILE) {
    let terms0 = f32x4.splat(0);
    let terms1 = terms0;
    let products0 = terms0;
    let products1 = terms0;
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
      products0 = madd(e0, d0, products0);
      products1 = madd(e1, d1, products1);
      terms0 = madd(f32x4.mul(f32x4.mul(d0, d0), e0), seriesAt(d0, c0, c1, c2, c3, c4, c5, c6), terms0);
      terms1 = madd(f32x4.mul(f32x4.mul(d1, d1), e1), seriesAt(d1, c0, c1, c2, c3, c4, c5, c6), terms1);
      x += 2 * bytes;
      y += 2 * bytes;
    }
    const tile = f32x4.add(terms0, terms1);
    if (i32x4.all_true(v128.and(f32x4.lt(farthest, limit), f32x4.eq(tile, tile)))) {
      terms = f64x2.add(terms, pairsOf(tile));
      gains = f64x2.add(gains, pairsOf(f32x4.add(tile, f32x4.add(products0, products1))));
      total = f64x2.add(total, pairsOf(f32x4.add(total0, total1)));
    } else {
      addPlain<T>(series, first, first + TILE);
    }
  }
  addPlain<T>(series, whole, PAIR.classes);
  SUMS.terms += f64x2.extract_lane(terms, 0) + f64x2.extract_lane(terms, 1);
  SUMS.gains += f64x2.extract_lane(gains, 0) + f64x2.extract_lane(gains, 1);
  SUMS.total += f64x2.extract_lane(total, 0) + f64x2.extract_lane(total, 1);
  return distance * distance * SUMS.total <= 4 * SUMS.terms;
}
