import { load1, load4 } from './storage';

/** What a scan found in the spans since startScan: the maximum of what is not NaN, and counts. */
export let maximum: f64 = -Infinity;
export let nanCount: i32 = 0;
export let posInfCount: i32 = 0;
export let negInfCount: i32 = 0;

export function startScan(): void {
  maximum = -Infinity;
  nanCount = posInfCount = negInfCount = 0;
}

/** Adds a span of n elements. */
export function scan<T>(p: usize, n: u32): void {
  const inf = splat<T>(Infinity);
  const minusInf = splat<T>(-Infinity);
  let top = minusInf;
  let nans = i32x4.splat(0);
  let posInfs = nans;
  let negInfs = nans;
  const step = lanes<T>();
  const end = p + <usize>(n - (n % step)) * sizeof<T>();
  while (p < end) {
    const x = loadVector<T>(p);
    top = pmax<T>(top, x);
    // A comparison's true is −1 in every 32 bits, so subtracting it counts.
    nans = i32x4.sub(nans, v128.not(eq<T>(x, x)));
    posInfs = i32x4.sub(posInfs, eq<T>(x, inf));
    negInfs = i32x4.sub(negInfs, eq<T>(x, minusInf));
    p += <usize>step * sizeof<T>();
  }
  maximum = max(maximum, horizontalMaximum<T>(top));
  nanCount += horizontalCount<T>(nans);
  posInfCount += horizontalCount<T>(posInfs);
  negInfCount += horizontalCount<T>(negInfs);
  for (let rest = n % step; rest > 0; rest--) {
    scanOne(load1<T>(p));
    p += sizeof<T>();
  }
}

/** Adds one value. */
export function scanOne(x: f64): void {
  if (x > maximum) maximum = x;
  nanCount += i32(x != x);
  posInfCount += i32(x == Infinity);
  negInfCount += i32(x == -Infinity);
}

/** The maximum of n elements, NaN left out; −Inf when nothing else is there. */
export function spanMaximum<T>(p: usize, n: u32): f64 {
  let top = splat<T>(-Infinity);
  const step = lanes<T>();
  const end = p + <usize>(n - (n % step)) * sizeof<T>();
  while (p < end) {
    top = pmax<T>(top, loadVector<T>(p));
    p += <usize>step * sizeof<T>();
  }
  let result = horizontalMaximum<T>(top);
  for (let rest = n % step; rest > 0; rest--) {
    const x = load1<T>(p);
    if (x > result) result = x;
    p += sizeof<T>();
  }
  return result;
}

// Narrower floats are scanned as float32, float64 as itself.

// @ts-expect-error: decorator
@inline
function lanes<T>(): u32 {
  return sizeof<T>() == 8 ? 2 : 4;
}

// @ts-expect-error: decorator
@inline
function loadVector<T>(p: usize): v128 {
  return sizeof<T>() == 8 ? v128.load(p) : load4<T>(p);
}

// @ts-expect-error: decorator
@inline
function splat<T>(x: f64): v128 {
  return sizeof<T>() == 8 ? f64x2.splat(x) : f32x4.splat(<f32>x);
}

// @ts-expect-error: decorator
@inline
function eq<T>(a: v128, b: v128): v128 {
  return sizeof<T>() == 8 ? f64x2.eq(a, b) : f32x4.eq(a, b);
}

/** b where a < b, else a: one instruction, and a NaN in b is passed over. */
// @ts-expect-error: decorator
@inline
function pmax<T>(a: v128, b: v128): v128 {
  return sizeof<T>() == 8 ? f64x2.pmax(a, b) : f32x4.pmax(a, b);
}

// @ts-expect-error: decorator
@inline
function horizontalMaximum<T>(v: v128): f64 {
  if (sizeof<T>() == 8) return max(f64x2.extract_lane(v, 0), f64x2.extract_lane(v, 1));
  const low = max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1));
  return <f64>max(low, max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)));
}

// @ts-expect-error: decorator
@inline
function horizontalCount<T>(v: v128): i32 {
  const sum =
    i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1) + i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3);
  return sizeof<T>() == 8 ? sum >> 1 : sum;
}
