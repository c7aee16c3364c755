import { TILE_F64, addTo, startSums, totalOf } from './compensated';
import { FLOOR_F64, constantF64, exp2 } from './exp-f64';

/** Σ exp(x − top) over n float64 elements ≤ top, −Inf among them; no NaN and no +Inf. */
export function sumExpF64(p: usize, n: u32, top: f64): f64 {
  startSums();
  while (n > 0) {
    const length = min(n, TILE_F64);
    addTo(0, sumTile(p, length, top, 1, false, 0, false));
    p += <usize>length << 3;
    n -= length;
  }
  return totalOf(0);
}

/** sumExpF64 that also stores the exponentials: n float64 at `keepAt`; clamped ones are 0. */
export function sumExpF64Kept(p: usize, n: u32, top: f64, keepAt: usize): f64 {
  startSums();
  while (n > 0) {
    const length = min(n, TILE_F64);
    addTo(0, sumTile(p, length, top, 1, false, keepAt, true));
    p += <usize>length << 3;
    keepAt += <usize>length << 3;
    n -= length;
  }
  return totalOf(0);
}

/** sumExpF64Kept of exp(scale·(x − top)). */
export function sumExpF64ScaledKept(p: usize, n: u32, top: f64, scale: f64, keepAt: usize): f64 {
  startSums();
  while (n > 0) {
    const length = min(n, TILE_F64);
    addTo(0, sumTile(p, length, top, scale, true, keepAt, true));
    p += <usize>length << 3;
    keepAt += <usize>length << 3;
    n -= length;
  }
  return totalOf(0);
}

// @ts-expect-error: decorator
@inline
function sumTile(p: usize, n: u32, top: f64, scale: f64, scaled: bool, keepAt: usize, keeps: bool): f64 {
  const factor = f64x2.splat(scale);
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
    let d0 = f64x2.sub(v128.load(p), reference);
    let d1 = f64x2.sub(v128.load(p + 16), reference);
    if (scaled) {
      d0 = f64x2.mul(d0, factor);
      d1 = f64x2.mul(d1, factor);
    }
    d0 = f64x2.pmax(floor, d0);
    d1 = f64x2.pmax(floor, d1);
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
    const difference = load<f64>(p) - top;
    const d = f64x2.pmax(floor, f64x2.splat(scaled ? scale * difference : difference));
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
