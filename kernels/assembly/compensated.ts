/**
 * Sums over a row whose rounding error does not grow with its length. Tiles are summed plainly, and their sums are
 * added with Neumaier's compensation. A lane of a tile takes at most TILE_F64 / 4 terms: relative to Σ |terms| the
 * error stays below 256·2^−53 = 2.9e-14 for any number of classes, and is usually a few 1e-16. Tiles with a short loop
 * are summed in a function of their own: inlined into the loop over tiles it is 25% slower.
 */
export const TILE_F64: u32 = 1024;

/** Four sums with their compensations. */
const SUMS = memory.data(64, 16);

/** Sets all sums to 0. */
export function startSums(): void {
  memory.fill(SUMS, 0, 64);
}

/** Adds the sum of a tile to the k-th sum. */
export function addTo(k: usize, value: f64): void {
  const at = SUMS + (k << 4);
  const sum = load<f64>(at);
  const next = sum + value;
  const lost = abs(sum) >= abs(value) ? sum - next + value : value - next + sum;
  store<f64>(at, next);
  store<f64>(at, load<f64>(at, 8) + lost, 8);
}

/** The k-th sum. A non-finite term makes it non-finite, without a NaN from the compensation. */
export function totalOf(k: usize): f64 {
  const sum = load<f64>(SUMS + (k << 4));
  return isFinite(sum) ? sum + load<f64>(SUMS + (k << 4), 8) : sum;
}

/** Σ v / unit of n float64. @param unit a power of two */
export function sumOf(p: usize, n: u32, unit: f64): f64 {
  startSums();
  while (n > 0) {
    const length = min(n, TILE_F64);
    addTo(0, tileOf(p, length, 1 / unit));
    p += <usize>length << 3;
    n -= length;
  }
  return totalOf(0);
}

function tileOf(p: usize, n: u32, factor: f64): f64 {
  const factor2 = f64x2.splat(factor);
  let sum0 = f64x2.splat(0);
  let sum1 = sum0;
  const end = p + (<usize>(n & ~3) << 3);
  for (; p < end; p += 32) {
    sum0 = f64x2.add(sum0, f64x2.mul(v128.load(p), factor2));
    sum1 = f64x2.add(sum1, f64x2.mul(v128.load(p, 16), factor2));
  }
  sum0 = f64x2.add(sum0, sum1);
  let sum = f64x2.extract_lane(sum0, 0) + f64x2.extract_lane(sum0, 1);
  for (let rest = n & 3; rest > 0; rest--, p += 8) sum += load<f64>(p) * factor;
  return sum;
}
