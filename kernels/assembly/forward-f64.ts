import { LEFT_OUT, NO_TARGET, rowLse, rowNll, storeRow } from './row';

/**
 * Constants of exp for two float64 values: Taylor's coefficients 1/k! up to degree 13 on |r| ≤ ln2/2, where the next
 * term is below 5e-18.
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
const FLOOR: f64 = -708;

let maximum: f64 = -Infinity;
let nanCount: i32 = 0;
let posInfCount: i32 = 0;
let negInfCount: i32 = 0;

// @ts-expect-error: decorator
@inline
function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f64x2.relaxed_madd(a, b, c);
  return f64x2.add(f64x2.mul(a, b), c);
}

// @ts-expect-error: decorator
@inline
function constant(k: usize): v128 {
  return v128.load64_splat(CONSTANTS + (k << 3));
}

/** exp of two values within [FLOOR, 0]. */
// @ts-expect-error: decorator
@inline
function exp2(d: v128, log2e: v128, rounder: v128, minusLn2High: v128, minusLn2Low: v128): v128 {
  const t = madd(d, log2e, rounder);
  const n = f64x2.sub(t, rounder);
  const r = madd(n, minusLn2Low, madd(n, minusLn2High, d));
  let p = v128.load64_splat(TAYLOR);
  for (let k = 1; k < TERMS; k++) p = madd(p, r, v128.load64_splat(TAYLOR + (<usize>k << 3)));
  const scale = i64x2.shl(t, 52);
  return madd(p, f64x2.mul(r, scale), scale);
}

/** Σ exp(x − top) over n float64 elements ≤ top, −Inf among them; no NaN and no +Inf. */
function sumExpClamped(p: usize, n: u32, top: f64): f64 {
  const reference = f64x2.splat(top);
  const floor = f64x2.splat(FLOOR);
  const log2e = constant(0);
  const rounder = constant(1);
  const minusLn2High = constant(2);
  const minusLn2Low = constant(3);
  let sum0 = f64x2.splat(0);
  let sum1 = sum0;
  const end = p + (<usize>(n & ~3) << 3);
  while (p < end) {
    const d0 = f64x2.pmax(floor, f64x2.sub(v128.load(p), reference));
    const d1 = f64x2.pmax(floor, f64x2.sub(v128.load(p + 16), reference));
    sum0 = f64x2.add(sum0, exp2(d0, log2e, rounder, minusLn2High, minusLn2Low));
    sum1 = f64x2.add(sum1, exp2(d1, log2e, rounder, minusLn2High, minusLn2Low));
    p += 32;
  }
  sum0 = f64x2.add(sum0, sum1);
  let total = f64x2.extract_lane(sum0, 0) + f64x2.extract_lane(sum0, 1);
  for (let rest = n & 3; rest > 0; rest--) {
    const d = f64x2.pmax(floor, f64x2.splat(load<f64>(p) - top));
    total += f64x2.extract_lane(exp2(d, log2e, rounder, minusLn2High, minusLn2Low), 0);
    p += 8;
  }
  return total;
}

/** Adds a span of n elements to the scan's counts and maximum. */
function scan(p: usize, n: u32): void {
  const inf = f64x2.splat(Infinity);
  const minusInf = f64x2.splat(-Infinity);
  let top = f64x2.splat(maximum);
  let nans = i64x2.splat(0);
  let posInfs = nans;
  let negInfs = nans;
  const end = p + (<usize>(n & ~1) << 3);
  while (p < end) {
    const x = v128.load(p);
    top = f64x2.pmax(top, x);
    // A comparison's true is −1 in every lane, so subtracting it counts.
    nans = i64x2.sub(nans, f64x2.ne(x, x));
    posInfs = i64x2.sub(posInfs, f64x2.eq(x, inf));
    negInfs = i64x2.sub(negInfs, f64x2.eq(x, minusInf));
    p += 16;
  }
  maximum = max(f64x2.extract_lane(top, 0), f64x2.extract_lane(top, 1));
  nanCount += horizontalSum(nans);
  posInfCount += horizontalSum(posInfs);
  negInfCount += horizontalSum(negInfs);
  if (n & 1) scanOne(load<f64>(p));
}

function scanOne(x: f64): void {
  if (x > maximum) maximum = x;
  nanCount += i32(x != x);
  posInfCount += i32(x == Infinity);
  negInfCount += i32(x == -Infinity);
}

// @ts-expect-error: decorator
@inline
function horizontalSum(v: v128): i32 {
  return <i32>(i64x2.extract_lane(v, 0) + i64x2.extract_lane(v, 1));
}

/**
 * lse, target logit and nll of rows of float64: a scan for the maximum, then the clamped sum. The second read of a
 * row comes from cache; at the price of a degree-13 polynomial it does not show.
 */
export function forwardF64(logits: usize, rows: u32, classes: u32, targets: usize, out: usize): void {
  const rowBytes = <usize>classes << 3;
  for (let row: u32 = 0; row < rows; row++) {
    const p = logits + <usize>row * rowBytes;
    const target = load<i32>(targets + (<usize>row << 2));
    const hasTarget = target >= 0;
    const before: u32 = hasTarget ? target : classes;
    const after: u32 = hasTarget ? classes - target - 1 : 0;
    const afterAt = p + rowBytes - (<usize>after << 3);
    maximum = -Infinity;
    nanCount = posInfCount = negInfCount = 0;
    scan(p, before);
    scan(afterAt, after);
    if (target == LEFT_OUT) {
      storeRow(out, rows, row, 0, 0, 0, nanCount, posInfCount, negInfCount);
      continue;
    }
    const top = maximum;
    let x: f64 = 0;
    if (hasTarget) {
      x = load<f64>(p + (<usize>before << 3));
      scanOne(x);
    }
    let lse: f64 = NaN;
    let nll: f64 = NaN;
    if (nanCount == 0) {
      if (posInfCount > 0) {
        lse = Infinity;
      } else {
        const rest = top == -Infinity ? 0 : sumExpClamped(p, before, top) + sumExpClamped(afterAt, after, top);
        if (!hasTarget || x == -Infinity) {
          lse = rest == 0 ? -Infinity : top + Math.log(rest);
          if (rest > 0) nll = Infinity;
        } else {
          lse = rowLse(rest, top, x);
          nll = rowNll(rest, top, x);
        }
      }
    }
    storeRow(out, rows, row, lse, x, hasTarget ? nll : 0, nanCount, posInfCount, negInfCount);
  }
}
