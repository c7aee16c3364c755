import { load1 } from './storage';
import { eq, horizontalCount, horizontalMaximum, lanes, loadVector, pmax, splat } from './vector';

/** What a scan found in the spans since startScan: the maximum of what is finite, −Inf when nothing is, and counts. */
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
    const isPosInf = eq<T>(x, inf);
    top = pmax<T>(top, v128.bitselect(minusInf, x, isPosInf));
    // A comparison's true is −1 in every 32 bits, so subtracting it counts.
    nans = i32x4.sub(nans, v128.not(eq<T>(x, x)));
    posInfs = i32x4.sub(posInfs, isPosInf);
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
  if (x > maximum && x != Infinity) maximum = x;
  nanCount += i32(x != x);
  posInfCount += i32(x == Infinity);
  negInfCount += i32(x == -Infinity);
}
