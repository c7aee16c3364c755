import { TILE_F64, addTo, startSums, totalOf } from './compensated';
import { Constant, LOG2E, constant, exp4, expScaled4, lowPartOf, madd } from './exp-f32';
import { load1, load4 } from './storage';
import { FLOOR_F64, constantF64, exp2 } from './exp-f64';
import { spanMaximum } from './maximum';
import { horizontalSum } from './pairs';
import { FLOOR } from './sum-exp-f32';

/**
 * Elements per sum in float32, added in trees of sixteen. In a flat row of many classes all terms are equal, and all
 * roundings of a longer sum have the same direction.
 */
const TILE: u32 = 64;

/**
 * Stores per row of a block the entropy of its softmax, −Σ_c s_c·log s_c = log S − T / S with d_c = scale·(v_c − max
 * v), S = Σ exp d_c and T = Σ d_c·exp d_c. Logits of −Inf add nothing: their d is clamped where exp d is negligible.
 * @param scale 1 for float64
 * @param lse f64 per row; where it is not finite, the entropy is NaN
 * @param out f64, an entry per row
 */
// @ts-expect-error: decorator
@inline
export function entropy<T>(values: usize, rows: u32, classes: u32, scale: f64, lse: usize, out: usize): void {
  for (let row: u32 = 0; row < rows; row++) {
    const p = values + <usize>row * <usize>classes * sizeof<T>();
    let result: f64 = NaN;
    if (isFinite(load<f64>(lse + (<usize>row << 3)))) {
      const top = spanMaximum<T>(p, classes);
      if (sizeof<T>() == 8) result = rowEntropyF64(p, classes, top);
      else result = scale == 1 ? rowEntropy<T>(p, classes, <f32>top) : scaledRowEntropy<T>(p, classes, <f32>top, scale);
    }
    store<f64>(out + (<usize>row << 3), result);
  }
}

function rowEntropy<T>(p: usize, n: u32, top: f32): f64 {
  return rowEntropyBy<T>(p, n, top, 1, false);
}

function scaledRowEntropy<T>(p: usize, n: u32, top: f32, scale: f64): f64 {
  return rowEntropyBy<T>(p, n, top, scale, true);
}

// @ts-expect-error: decorator
@inline
function rowEntropyBy<T>(p: usize, n: u32, top: f32, scale: f64, scaled: bool): f64 {
  const reference = f32x4.splat(top);
  const lowest: f32 = scaled ? <f32>(<f64>FLOOR / scale) : FLOOR;
  const floor = f32x4.splat(lowest);
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
  const vectorBytes = sizeof<T>() * 4;
  let sums = f64x2.splat(0);
  let products = sums;
  for (let left = n & ~15; left > 0; ) {
    const length = min(left, TILE);
    const end = p + <usize>length * sizeof<T>();
    let tileSums = f32x4.splat(0);
    let tileProducts = tileSums;
    while (p < end) {
      const d0 = f32x4.pmax(floor, f32x4.sub(load4<T>(p), reference));
      const d1 = f32x4.pmax(floor, f32x4.sub(load4<T>(p + vectorBytes), reference));
      const d2 = f32x4.pmax(floor, f32x4.sub(load4<T>(p + 2 * vectorBytes), reference));
      const d3 = f32x4.pmax(floor, f32x4.sub(load4<T>(p + 3 * vectorBytes), reference));
      const e0 = scaled
        ? expScaled4(d0, madd(d0, kHigh, rounder), rounder, kHigh, kLow, c1, c2, c3, c4, c5)
        : exp4(d0, madd(d0, kHigh, rounder), rounder, minusLn2, minusLn2Low, c1, c2, c3, c4, c5);
      const e1 = scaled
        ? expScaled4(d1, madd(d1, kHigh, rounder), rounder, kHigh, kLow, c1, c2, c3, c4, c5)
        : exp4(d1, madd(d1, kHigh, rounder), rounder, minusLn2, minusLn2Low, c1, c2, c3, c4, c5);
      const e2 = scaled
        ? expScaled4(d2, madd(d2, kHigh, rounder), rounder, kHigh, kLow, c1, c2, c3, c4, c5)
        : exp4(d2, madd(d2, kHigh, rounder), rounder, minusLn2, minusLn2Low, c1, c2, c3, c4, c5);
      const e3 = scaled
        ? expScaled4(d3, madd(d3, kHigh, rounder), rounder, kHigh, kLow, c1, c2, c3, c4, c5)
        : exp4(d3, madd(d3, kHigh, rounder), rounder, minusLn2, minusLn2Low, c1, c2, c3, c4, c5);
      const e = f32x4.add(f32x4.add(e0, e1), f32x4.add(e2, e3));
      const product = f32x4.add(madd(d0, e0, f32x4.mul(d1, e1)), madd(d2, e2, f32x4.mul(d3, e3)));
      tileSums = f32x4.add(tileSums, e);
      tileProducts = f32x4.add(tileProducts, product);
      p += 4 * vectorBytes;
    }
    sums = f64x2.add(sums, pairsOf(tileSums));
    products = f64x2.add(products, pairsOf(tileProducts));
    left -= length;
  }
  let S = horizontalSum(sums);
  let T = horizontalSum(products);
  for (let rest = n & 15; rest > 0; rest--) {
    const d = max(load1<T>(p) - <f64>top, <f64>lowest);
    const e = Math.exp(scaled ? scale * d : d);
    S += e;
    T += d * e;
    p += sizeof<T>();
  }
  return Math.log(S) - (scaled ? (scale * T) / S : T / S);
}

function rowEntropyF64(p: usize, n: u32, top: f64): f64 {
  const reference = f64x2.splat(top);
  const floor = f64x2.splat(FLOOR_F64);
  const log2e = constantF64(0);
  const rounder = constantF64(1);
  const minusLn2High = constantF64(2);
  const minusLn2Low = constantF64(3);
  startSums();
  while (n > 0) {
    const length = min(n, TILE_F64);
    let sums = f64x2.splat(0);
    let products = sums;
    const end = p + (<usize>(length & ~1) << 3);
    for (; p < end; p += 16) {
      const d = f64x2.pmax(floor, f64x2.sub(v128.load(p), reference));
      const e = exp2(d, log2e, rounder, minusLn2High, minusLn2Low);
      sums = f64x2.add(sums, e);
      products = f64x2.add(products, f64x2.mul(d, e));
    }
    addTo(0, horizontalSum(sums));
    addTo(1, horizontalSum(products));
    if (length & 1) {
      const d = max(load<f64>(p) - top, FLOOR_F64);
      const e = Math.exp(d);
      addTo(0, e);
      addTo(1, d * e);
    }
    n -= length;
  }
  return Math.log(totalOf(0)) - totalOf(1) / totalOf(0);
}

/** Sums of lanes 0 and 2 and of lanes 1 and 3 of four float32, as two float64. */
// @ts-expect-error: decorator
@inline
function pairsOf(v: v128): v128 {
  return f64x2.add(f64x2.promote_low_f32x4(v), f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 1)));
}
