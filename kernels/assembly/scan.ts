import { load1, load4 } from './storage';
import { eq, horizontalCount, horizontalMaximum, lanes, loadVector, pmax, splat } from './vector';

/** Maximum of the finite values of a row, −Inf when none is finite, and counts of the others. */
@unmanaged
export class Scan {
  maximum: f64;
  nanCount: i32;
  posInfCount: i32;
  negInfCount: i32;
}

/** Scan of the current row. Passing it to sumExp as an argument makes the strict variant 2 to 8% slower. */
const SCAN = changetype<Scan>(memory.data(24, 16));

/** Starts the scan of a row and overwrites the previous scan. The other functions add to it. */
export function startScan(): Scan {
  SCAN.maximum = -Infinity;
  SCAN.nanCount = SCAN.posInfCount = SCAN.negInfCount = 0;
  return SCAN;
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
    // A true comparison is −1 in each 32 bits, so subtracting it counts.
    nans = i32x4.sub(nans, v128.not(eq<T>(x, x)));
    posInfs = i32x4.sub(posInfs, eq<T>(x, inf));
    negInfs = i32x4.sub(negInfs, eq<T>(x, minusInf));
    p += <usize>step * sizeof<T>();
  }
  const found = horizontalMaximum<T>(top);
  SCAN.maximum = max(SCAN.maximum, found == Infinity ? finiteMaximum<T>(begin, end) : found);
  SCAN.nanCount += horizontalCount<T>(nans);
  SCAN.posInfCount += horizontalCount<T>(posInfs);
  SCAN.negInfCount += horizontalCount<T>(negInfs);
  for (let rest = n % step; rest > 0; rest--) {
    scanOne(load1<T>(p));
    p += sizeof<T>();
  }
}

/** Maximum of whole vectors, ignoring +Inf. */
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

/** The scan of a row of float32 or narrower. Reads finite rows, the usual ones, once and faster than `scan`. */
export function scanRow<T>(p: usize, n: u32): Scan {
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
    return SCAN;
  }
  SCAN.maximum = horizontalMaximum<f32>(f32x4.pmax(top0, top1));
  for (let rest = n & 7; rest > 0; rest--) {
    scanOne(load1<T>(at));
    at += sizeof<T>();
  }
  return SCAN;
}

/** Adds the maximum of finite values. */
export function addMaximum(x: f64): void {
  SCAN.maximum = max(SCAN.maximum, x);
}

/** Adds one value. */
export function scanOne(x: f64): void {
  if (x > SCAN.maximum && x != Infinity) SCAN.maximum = x;
  SCAN.nanCount += i32(x != x);
  SCAN.posInfCount += i32(x == Infinity);
  SCAN.negInfCount += i32(x == -Infinity);
}
