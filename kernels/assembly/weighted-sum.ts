import { load1, load4 } from './storage';

/**
 * Per row of a block Σ_c w_c·x_c in float64, where exact products of float32 do not round; w is 1 with weights = 0.
 * @param weights address of `classes` float64, or 0
 * @param out f64, an entry per row
 */
// @ts-expect-error: decorator
@inline
export function weightedSum<T>(logits: usize, rows: u32, classes: u32, weights: usize, out: usize): void {
  for (let row: u32 = 0; row < rows; row++) {
    const p = logits + <usize>row * <usize>classes * sizeof<T>();
    const sum = weights == 0 ? rowSum<T>(p, classes) : rowWeightedSum<T>(p, classes, weights);
    store<f64>(out + (<usize>row << 3), sum);
  }
}

/** Two float64 from where an element stands. */
// @ts-expect-error: decorator
@inline
function lowPair<T>(p: usize): v128 {
  return sizeof<T>() == 8 ? v128.load(p) : f64x2.promote_low_f32x4(load4<T>(p));
}

/** The two float64 that follow lowPair's. */
// @ts-expect-error: decorator
@inline
function highPair<T>(p: usize): v128 {
  if (sizeof<T>() == 8) return v128.load(p + 16);
  const four = load4<T>(p);
  return f64x2.promote_low_f32x4(v128.shuffle<i64>(four, four, 1, 1));
}

function rowSum<T>(p: usize, n: u32): f64 {
  let low = f64x2.splat(0);
  let high = low;
  const end = p + <usize>(n & ~3) * sizeof<T>();
  while (p < end) {
    low = f64x2.add(low, lowPair<T>(p));
    high = f64x2.add(high, highPair<T>(p));
    p += 4 * sizeof<T>();
  }
  low = f64x2.add(low, high);
  let sum = f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1);
  for (let rest = n & 3; rest > 0; rest--) {
    sum += load1<T>(p);
    p += sizeof<T>();
  }
  return sum;
}

function rowWeightedSum<T>(p: usize, n: u32, weights: usize): f64 {
  let low = f64x2.splat(0);
  let high = low;
  const end = p + <usize>(n & ~3) * sizeof<T>();
  while (p < end) {
    low = f64x2.add(low, f64x2.mul(lowPair<T>(p), v128.load(weights)));
    high = f64x2.add(high, f64x2.mul(highPair<T>(p), v128.load(weights + 16)));
    p += 4 * sizeof<T>();
    weights += 32;
  }
  low = f64x2.add(low, high);
  let sum = f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1);
  for (let rest = n & 3; rest > 0; rest--) {
    sum += load1<T>(p) * load<f64>(weights);
    p += sizeof<T>();
    weights += 8;
  }
  return sum;
}
