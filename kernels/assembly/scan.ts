import { load1, load4 } from './storage';
import { eq, horizontalCount, horizontalMaximum, lanes, loadVector, pmax, splat } from './vector';

/** Results of a scan over the spans since startScan: the finite maximum, −Inf when nothing is finite, and counts. */
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
  const begin = p;
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
  const found = horizontalMaximum<T>(top);
  maximum = max(maximum, found == Infinity ? finiteMaximum<T>(begin, end) : found);
  nanCount += horizontalCount<T>(nans);
  posInfCount += horizontalCount<T>(posInfs);
  negInfCount += horizontalCount<T>(negInfs);
  for (let rest = n % step; rest > 0; rest--) {
    scanOne(load1<T>(p));
    p += sizeof<T>();
  }
}

/** The maximum of whole vectors in which +Inf stands, without it. */
function finiteMaximum<T>(p: usize, end: usize): f64 {
  const minusInf = splat<T>(-Infinity);
  const inf = splat<T>(Infinity);
  let top = minusInf;
  for (; p < end; p += <usize>lanes<T>() * sizeof<T>()) {
    const x = loadVector<T>(p);
    top = pmax<T>(top, v128.bitselect(minusInf, x, eq<T>(x, inf)));
  }
  return horizontalMaximum<T>(top);
}

/** Scans a row of float32 or narrower. Reads finite rows, the usual ones, once and faster than `scan`. */
export function scanRow<T>(p: usize, n: u32): void {
  startScan();
  let top0 = f32x4.splat(-Infinity);
  let top1 = top0;
  // x − x is 0, or NaN where x is not finite.
  let differences = i32x4.splat(0);
  const bytes = sizeof<T>() * 4;
  const end = p + <usize>(n & ~7) * sizeof<T>();
  let at = p;
  for (; at < end; at += 2 * bytes) {
    const x0 = load4<T>(at);
    const x1 = load4<T>(at + bytes);
    top0 = f32x4.pmax(top0, x0);
    top1 = f32x4.pmax(top1, x1);
    differences = v128.or(differences, v128.or(f32x4.sub(x0, x0), f32x4.sub(x1, x1)));
  }
  if (v128.any_true(differences)) {
    scan<T>(p, n);
    return;
  }
  maximum = horizontalMaximum<f32>(f32x4.pmax(top0, top1));
  for (let rest = n & 7; rest > 0; rest--) {
    scanOne(load1<T>(at));
    at += sizeof<T>();
  }
}

/** Adds one value. */
export function scanOne(x: f64): void {
  if (x > maximum && x != Infinity) maximum = x;
  nanCount += i32(x != x);
  posInfCount += i32(x == Infinity);
  negInfCount += i32(x == -Infinity);
}
