/**
 * Constants of exp for two float64 values: range reduction as for float32, and Taylor's coefficients 1/k! up to degree
 * 13 on |r| ≤ ln2/2, where the next term is below 5e-18.
 */
const CONSTANTS = memory.data<f64>([
  1.4426950408889634, // log2(e)
  6755399441056767.0, // 1.5·2^52 + 1023: adding it rounds to an integer n and leaves n + 1023 in the low bits
  -6.93147180369123816490e-1, // −ln2, high part: its product with n is exact
  -1.90821492927058770002e-10, // −ln2, low part
]);

const TAYLOR = memory.data<f64>([
  1.6059043836821613e-10, 2.08767569878681e-9, 2.505210838544172e-8, 2.755731922398589e-7, 2.7557319223985893e-6,
  2.48015873015873e-5, 1.984126984126984e-4, 1.388888888888889e-3, 8.333333333333333e-3, 4.1666666666666664e-2,
  1.6666666666666666e-1, 0.5, 1.0,
]);
const TERMS: i32 = 13;

/** exp of it is a normal float64 that is nothing beside the 1 of the maximum. */
export const FLOOR_F64: f64 = -708;

// @ts-expect-error: decorator
@inline
function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f64x2.relaxed_madd(a, b, c);
  return f64x2.add(f64x2.mul(a, b), c);
}

// @ts-expect-error: decorator
@inline
export function constantF64(k: usize): v128 {
  return v128.load64_splat(CONSTANTS + (k << 3));
}

/** exp of two values within [FLOOR_F64, 0]. */
// @ts-expect-error: decorator
@inline
export function exp2(d: v128, log2e: v128, rounder: v128, minusLn2High: v128, minusLn2Low: v128): v128 {
  const t = madd(d, log2e, rounder);
  const n = f64x2.sub(t, rounder);
  const r = madd(n, minusLn2Low, madd(n, minusLn2High, d));
  let p = v128.load64_splat(TAYLOR);
  for (let k = 1; k < TERMS; k++) p = madd(p, r, v128.load64_splat(TAYLOR + (<usize>k << 3)));
  const scale = i64x2.shl(t, 52);
  return madd(p, f64x2.mul(r, scale), scale);
}

/** Σ exp(x − top) over n float64 elements ≤ top, −Inf among them; no NaN and no +Inf. */
export function sumExpF64(p: usize, n: u32, top: f64): f64 {
  return sumExpF64By(p, n, top, 0, false);
}

/** The same, and keeps the exponentials: n float64 at `keepAt`, those that were clamped as 0. */
export function sumExpF64Kept(p: usize, n: u32, top: f64, keepAt: usize): f64 {
  return sumExpF64By(p, n, top, keepAt, true);
}

// @ts-expect-error: decorator
@inline
function sumExpF64By(p: usize, n: u32, top: f64, keepAt: usize, keeps: bool): f64 {
  const reference = f64x2.splat(top);
  const floor = f64x2.splat(FLOOR_F64);
  const log2e = constantF64(0);
  const rounder = constantF64(1);
  const minusLn2High = constantF64(2);
  const minusLn2Low = constantF64(3);
  let sum0 = f64x2.splat(0);
  let sum1 = sum0;
  const end = p + (<usize>(n & ~3) << 3);
  while (p < end) {
    const d0 = f64x2.pmax(floor, f64x2.sub(v128.load(p), reference));
    const d1 = f64x2.pmax(floor, f64x2.sub(v128.load(p + 16), reference));
    const e0 = exp2(d0, log2e, rounder, minusLn2High, minusLn2Low);
    const e1 = exp2(d1, log2e, rounder, minusLn2High, minusLn2Low);
    sum0 = f64x2.add(sum0, e0);
    sum1 = f64x2.add(sum1, e1);
    p += 32;
    if (keeps) {
      v128.store(keepAt, v128.and(e0, f64x2.gt(d0, floor)));
      v128.store(keepAt, v128.and(e1, f64x2.gt(d1, floor)), 16);
      keepAt += 32;
    }
  }
  sum0 = f64x2.add(sum0, sum1);
  let total = f64x2.extract_lane(sum0, 0) + f64x2.extract_lane(sum0, 1);
  for (let rest = n & 3; rest > 0; rest--) {
    const d = f64x2.pmax(floor, f64x2.splat(load<f64>(p) - top));
    const e = f64x2.extract_lane(exp2(d, log2e, rounder, minusLn2High, minusLn2Low), 0);
    total += e;
    p += 8;
    if (keeps) {
      store<f64>(keepAt, f64x2.extract_lane(d, 0) > FLOOR_F64 ? e : 0);
      keepAt += 8;
    }
  }
  return total;
}
