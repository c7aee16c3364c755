import { highPair, lowPair, term } from './pairs';
import { load1 } from './storage';

/**
 * Per row of a block Σ_c w_c·x_c in float64, where exact products of float32 do not round; w is 1 with weights = 0.
 * A class of weight 0 adds nothing, whatever its logit.
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
    low = f64x2.add(low, term(v128.load(weights), lowPair<T>(p)));
    high = f64x2.add(high, term(v128.load(weights, 16), highPair<T>(p)));
    p += 4 * sizeof<T>();
    weights += 32;
  }
  low = f64x2.add(low, high);
  let sum = f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1);
  for (let rest = n & 3; rest > 0; rest--) {
    const w = load<f64>(weights);
    if (w != 0) sum += w * load1<T>(p);
    p += sizeof<T>();
    weights += 8;
  }
  return sum;
}
