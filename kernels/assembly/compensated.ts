/**
 * Sums over a row whose rounding does not grow with its length: tiles are summed plainly, and their sums are added with
 * Neumaier's compensation. A lane of a tile takes at most TILE_F64 / 4 terms: relative to Σ |terms| the error stays below
 * 256·2^−53 = 2.9e-14 for any number of classes, and is a few 1e-16 as a rule. The sum of a tile is a function of its own
 * where its loop is short: compiled into the loop over tiles it is a fourth slower.
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
    let tile: f64 = 0;
    for (const end = p + (<usize>length << 3); p < end; p += 8) tile += load<f64>(p) / unit;
    addTo(0, tile);
    n -= length;
  }
  return totalOf(0);
}
