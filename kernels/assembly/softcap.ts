import { GivenRowsLayout as Given, RowOffsetsLayout } from '../layouts';
import { Constant, LOG2E, constant, expScaled4, lowPartOf, madd } from './exp-f32';
import { loadLanes, storeLanes } from './lanes';
import { scanRow } from './scan';
import { load1, load4 } from './storage';
import { FLOOR } from './sum-exp-f32';
import { capOne } from './transform';

/**
 * Coefficients, from f^5 down to the constant, of a polynomial for (2^f − 1) / f with |f| ≤ 1/2. It interpolates at
 * Chebyshev nodes. f times the polynomial has an error of 7e-9.
 */
const COEFFICIENTS = memory.data<f32>([
  1.54531634e-4, 1.33908643e-3, 9.61808302e-3, 5.55035695e-2, 2.40226507e-1, 6.93147182e-1,
]);

/** Greatest |u| of a reference. Beyond it, tanh is so flat that differences lose their digits. */
const STEEP: f64 = 2;

/** Greatest 2·|u − v|·log2(e). Beyond it, x is ±cap. */
const LIMIT: f64 = 60;

/**
 * x = cap·tanh(u) with u = scale·logit / cap, stored as the difference from x at a reference logit, in float32. The
 * reference is the greatest logit of the row, or the nearest value with |u| ≤ STEEP. With v the u of the reference, T =
 * tanh(v), A = 1 − T, B = 1 + T and E = exp(2·(u − v)),
 *   x − cap·T = cap·A·(E − 1) / (E + A / B),
 * which does not cancel. So the difference is exact near the maximum, where softmax is large, for any cap. ±Inf become
 * ±cap, NaN stays NaN.
 * @param offsets columns of RowOffsets: cap·T, and the difference of the target, computed in float64
 * @param given columns of GivenRows
 * @param values f32, an entry per element
 */
// @ts-expect-error: decorator
@inline
export function softcap<T>(
  logits: usize, rows: u32, classes: u32, targets: usize, scale: f64, cap: f64, offsets: usize, given: usize,
  values: usize,
): void {
  const n = <usize>rows;
  for (let row: u32 = 0; row < rows; row++) {
    const p = logits + <usize>row * <usize>classes * sizeof<T>();
    const found = scanRow<T>(p, classes);
    const f64At = <usize>row << 3;
    const i32At = given + (<usize>row << 2);
    store<f64>(given + f64At + n * Given.maximum, found.maximum);
    store<i32>(i32At + n * Given.nanCount, found.nanCount);
    store<i32>(i32At + n * Given.posInfCount, found.posInfCount);
    store<i32>(i32At + n * Given.negInfCount, found.negInfCount);

    const steep = (STEEP * cap) / scale;
    const reference = <f32>max(-steep, min(steep, found.posInfCount > 0 ? Infinity : found.maximum));
    const offset = capOne(reference, scale, cap);
    store<f64>(offsets + f64At + n * RowOffsetsLayout.offset, offset);
    const target = load<i32>(targets + (<usize>row << 2));
    const x: f64 = target < 0 ? offset : capOne(load1<T>(p + <usize>target * sizeof<T>()), scale, cap);
    store<f64>(offsets + f64At + n * RowOffsetsLayout.target, x - offset);
    capRow<T>(p, classes, scale, cap, reference, values + (<usize>row * <usize>classes << 2));
  }
}

function capRow<T>(p: usize, n: u32, scale: f64, cap: f64, reference: f32, out: usize): void {
  const k = (2 * scale * LOG2E) / cap;
  const kHigh = f32x4.splat(<f32>k);
  const kLow = f32x4.splat(lowPartOf(k));
  const limit = f32x4.splat(<f32>(LIMIT / k));
  const ref = f32x4.splat(reference);
  // A / B = exp(−2·v) and A = 2 / (exp(2·v) + 1), in which nothing cancels.
  const e = Math.exp((2 * scale * <f64>reference) / cap);
  const ratio = f32x4.splat(<f32>(1 / e));
  const width = f32x4.splat(<f32>((cap * 2) / (e + 1)));
  const end = p + <usize>(n & ~3) * sizeof<T>();
  for (; p < end; p += 4 * sizeof<T>()) {
    v128.store(out, capFour(load4<T>(p), ref, kHigh, kLow, limit, ratio, width));
    out += 16;
  }
  const rest = n & 3;
  if (rest == 0) return;
  storeLanes(out, capFour(loadLanes<T>(p, rest, reference), ref, kHigh, kLow, limit, ratio, width), rest);
}

// @ts-expect-error: decorator
@inline
function capFour(
  logits: v128, ref: v128, kHigh: v128, kLow: v128, limit: v128, ratio: v128, width: v128,
): v128 {
  const d = f32x4.pmin(f32x4.pmax(f32x4.sub(logits, ref), f32x4.neg(limit)), limit);
  const rounder = constant(Constant.ROUNDER);
  const t = madd(d, kHigh, rounder);
  const power = i32x4.shl(t, 23);
  const f = madd(d, kLow, madd(d, kHigh, f32x4.sub(rounder, t)));
  let g = madd(v128.load32_splat(COEFFICIENTS), f, v128.load32_splat(COEFFICIENTS, 4));
  g = madd(g, f, v128.load32_splat(COEFFICIENTS, 8));
  g = madd(g, f, v128.load32_splat(COEFFICIENTS, 12));
  g = madd(g, f, v128.load32_splat(COEFFICIENTS, 16));
  g = madd(g, f, v128.load32_splat(COEFFICIENTS, 20));
  g = f32x4.mul(g, f);
  // E = power·(1 + g)
  const less1 = madd(power, g, f32x4.sub(power, v128.load32_splat(ONE)));
  return f32x4.div(f32x4.mul(width, less1), madd(power, g, f32x4.add(power, ratio)));
}

const ONE = memory.data<f32>([1]);

/**
 * Chain rule: multiplies a gradient with respect to x by 1 − tanh² u = sech² u, in place. Two products with sech keep
 * the result for a large g where sech² underflows.
 * @param g f32, an entry per element
 */
export function softcapChain<T>(logits: usize, n: u32, scale: f64, cap: f64, g: usize): void {
  const k = (scale * LOG2E) / cap;
  const kHigh = f32x4.splat(<f32>k);
  const kLow = f32x4.splat(lowPartOf(k));
  const floor = f32x4.splat(<f32>((<f64>FLOOR * cap) / scale));
  const end = logits + <usize>(n & ~3) * sizeof<T>();
  for (; logits < end; logits += 4 * sizeof<T>()) {
    v128.store(g, chainFour(v128.load(g), load4<T>(logits), kHigh, kLow, floor));
    g += 16;
  }
  const rest = n & 3;
  if (rest > 0) {
    storeLanes(g, chainFour(loadLanes<f32>(g, rest, 0), loadLanes<T>(logits, rest, 0), kHigh, kLow, floor), rest);
  }
}

/**
 * g·sech² u with sech u = 2e / (1 + e²) and e = exp(−|u|), which does not cancel. sech u is 0 for an infinite u. For a
 * NaN logit, g is NaN.
 */
// @ts-expect-error: decorator
@inline
function chainFour(g: v128, logits: v128, kHigh: v128, kLow: v128, floor: v128): v128 {
  const d = f32x4.pmax(f32x4.neg(f32x4.abs(logits)), floor);
  const rounder = constant(Constant.ROUNDER);
  const exponential = expScaled4(
    d, madd(d, kHigh, rounder), rounder, kHigh, kLow, constant(Constant.B1), constant(Constant.B2),
    constant(Constant.B3), constant(Constant.B4), constant(Constant.B5),
  );
  const e = v128.and(exponential, f32x4.gt(d, floor));
  const sech = f32x4.div(f32x4.add(e, e), madd(e, e, v128.load32_splat(ONE)));
  return f32x4.mul(f32x4.mul(g, sech), sech);
}
