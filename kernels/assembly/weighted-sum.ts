import { addTerm, highPair, horizontalSum, lowPair } from './pairs';
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
  // Four sums: each waits for itself.
  let sum0 = f64x2.splat(0);
  let sum1 = sum0;
  let sum2 = sum0;
  let sum3 = sum0;
  const end = p + <usize>(n & ~7) * sizeof<T>();
  for (; p < end; p += 8 * sizeof<T>()) {
    sum0 = f64x2.add(sum0, lowPair<T>(p));
    sum1 = f64x2.add(sum1, highPair<T>(p));
    sum2 = f64x2.add(sum2, lowPair<T>(p + 4 * sizeof<T>()));
    sum3 = f64x2.add(sum3, highPair<T>(p + 4 * sizeof<T>()));
  }
  let sum = horizontalSum(f64x2.add(f64x2.add(sum0, sum1), f64x2.add(sum2, sum3)));
  for (let rest = n & 7; rest > 0; rest--) {
    sum += load1<T>(p);
    p += sizeof<T>();
  }
  return sum;
}

/** Terms of weight 0 are looked for only where one of them may count: times 0 what is finite adds nothing. */
function rowWeightedSum<T>(p: usize, n: u32, weights: usize): f64 {
  const sum = weightedSumBy<T>(p, n, weights, false);
  return isFinite(sum) ? sum : weightedSumBy<T>(p, n, weights, true);
}

// @ts-expect-error: decorator
@inline
function weightedSumBy<T>(p: usize, n: u32, weights: usize, masked: bool): f64 {
  let sum0 = f64x2.splat(0);
  let sum1 = sum0;
  let sum2 = sum0;
  let sum3 = sum0;
  const end = p + <usize>(n & ~7) * sizeof<T>();
  for (; p < end; p += 8 * sizeof<T>()) {
    sum0 = addTerm(sum0, v128.load(weights), lowPair<T>(p), masked);
    sum1 = addTerm(sum1, v128.load(weights, 16), highPair<T>(p), masked);
    sum2 = addTerm(sum2, v128.load(weights, 32), lowPair<T>(p + 4 * sizeof<T>()), masked);
    sum3 = addTerm(sum3, v128.load(weights, 48), highPair<T>(p + 4 * sizeof<T>()), masked);
    weights += 64;
  }
  let sum = horizontalSum(f64x2.add(f64x2.add(sum0, sum1), f64x2.add(sum2, sum3)));
  for (let rest = n & 7; rest > 0; rest--) {
    const w = load<f64>(weights);
    if (w != 0) sum += w * load1<T>(p);
    p += sizeof<T>();
    weights += 8;
  }
  return sum;
}
