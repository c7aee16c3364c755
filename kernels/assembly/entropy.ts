import { Constant, constant, exp4, madd } from './exp-f32';
import { load1, load4 } from './storage';
import { FLOOR, TILE } from './sum-exp-f32';
import { FLOOR_F64, constantF64, exp2 } from './exp-f64';
import { spanMaximum } from './maximum';

/**
 * Per row of a block the entropy of its softmax, −Σ_c s_c·log s_c = log S − T / S with d_c = x_c − max x,
 * S = Σ exp d_c and T = Σ d_c·exp d_c. Terms of −Inf are 0: their d is clamped where exp d is nothing.
 * @param lse f64 per row; where it is not finite, the entropy is NaN
 * @param out f64, an entry per row
 */
// @ts-expect-error: decorator
@inline
export function entropy<T>(logits: usize, rows: u32, classes: u32, lse: usize, out: usize): void {
  for (let row: u32 = 0; row < rows; row++) {
    const p = logits + <usize>row * <usize>classes * sizeof<T>();
    let result: f64 = NaN;
    if (isFinite(load<f64>(lse + (<usize>row << 3)))) {
      const top = spanMaximum<T>(p, classes);
      result = sizeof<T>() == 8 ? rowEntropyF64(p, classes, top) : rowEntropy<T>(p, classes, <f32>top);
    }
    store<f64>(out + (<usize>row << 3), result);
  }
}

function rowEntropy<T>(p: usize, n: u32, top: f32): f64 {
  const reference = f32x4.splat(top);
  const floor = f32x4.splat(FLOOR);
  const log2e = constant(Constant.LOG2E);
  const rounder = constant(Constant.ROUNDER);
  const minusLn2 = constant(ASC_FEATURE_RELAXED_SIMD ? Constant.MINUS_LN2 : Constant.MINUS_LN2_HIGH);
  const minusLn2Low = constant(Constant.MINUS_LN2_LOW);
  const c1 = constant(Constant.C1);
  const c2 = constant(Constant.C2);
  const c3 = constant(Constant.C3);
  const c4 = constant(Constant.C4);
  const c5 = constant(Constant.C5);
  let S: f64 = 0;
  let T: f64 = 0;
  for (; n >= 4; ) {
    const length = min(n & ~3, TILE);
    let sums = f32x4.splat(0);
    let products = sums;
    const end = p + <usize>length * sizeof<T>();
    while (p < end) {
      const d = f32x4.pmax(floor, f32x4.sub(load4<T>(p), reference));
      const t = madd(d, log2e, rounder);
      const e = exp4(d, t, rounder, minusLn2, minusLn2Low, c1, c2, c3, c4, c5);
      sums = f32x4.add(sums, e);
      products = madd(d, e, products);
      p += 4 * sizeof<T>();
    }
    S += horizontalSum(sums);
    T += horizontalSum(products);
    n -= length;
  }
  for (; n > 0; n--) {
    const d = max(load1<T>(p) - <f64>top, <f64>FLOOR);
    const e = Math.exp(d);
    S += e;
    T += d * e;
    p += sizeof<T>();
  }
  return Math.log(S) - T / S;
}

function rowEntropyF64(p: usize, n: u32, top: f64): f64 {
  const reference = f64x2.splat(top);
  const floor = f64x2.splat(FLOOR_F64);
  const log2e = constantF64(0);
  const rounder = constantF64(1);
  const minusLn2High = constantF64(2);
  const minusLn2Low = constantF64(3);
  let sums = f64x2.splat(0);
  let products = sums;
  for (; n >= 2; n -= 2) {
    const d = f64x2.pmax(floor, f64x2.sub(v128.load(p), reference));
    const e = exp2(d, log2e, rounder, minusLn2High, minusLn2Low);
    sums = f64x2.add(sums, e);
    products = f64x2.add(products, f64x2.mul(d, e));
    p += 16;
  }
  let S = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  let T = f64x2.extract_lane(products, 0) + f64x2.extract_lane(products, 1);
  if (n > 0) {
    const d = max(load<f64>(p) - top, FLOOR_F64);
    const e = Math.exp(d);
    S += e;
    T += d * e;
  }
  return Math.log(S) - T / S;
}

// @ts-expect-error: decorator
@inline
function horizontalSum(v: v128): f64 {
  const pairs = f64x2.add(
    f64x2.promote_low_f32x4(v),
    f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 1)),
  );
  return f64x2.extract_lane(pairs, 0) + f64x2.extract_lane(pairs, 1);
}
