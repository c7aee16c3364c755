import { TILE_F64, addTo, startSums, totalOf } from './compensated';
import { addTerm, highPair, horizontalSum, lowPair } from './pairs';
import { logSumOf, referenceOf } from './row';
import { load1 } from './storage';

/**
 * Per row of a block that was evaluated Σ_c w_c·(lse − x_c): what label smoothing mixes in. In float64, as
 * W·log S + Σ_c w_c·(reference − x_c): neither a large offset of a row nor its confidence costs a digit, nor a class far
 * below the others. A class of weight 0 adds
 * nothing, whatever its logit; NaN where lse is not finite.
 * @param results what forward left
 * @param weights address of `classes` float64, or 0 for 1
 * @param totalWeight Σ_c w_c
 * @param out f64, an entry per row
 */
// @ts-expect-error: decorator
@inline
export function uniform<T>(
  logits: usize, rows: u32, classes: u32, results: usize, weights: usize, totalWeight: f64, out: usize,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    const f64At = <usize>row << 3;
    const p = logits + <usize>row * <usize>classes * sizeof<T>();
    const lse = load<f64>(results + f64At);
    let sum: f64 = NaN;
    if (isFinite(lse)) {
      const from = referenceOf(results, rows, row);
      const differences =
        weights == 0 ? sumOfDifferences<T>(p, classes, from) : weightedDifferences<T>(p, classes, weights, from);
      sum = totalWeight * logSumOf(results, rows, row) + differences;
    }
    store<f64>(out + f64At, sum);
  }
}

/** Σ (from − x_c) */
function sumOfDifferences<T>(p: usize, n: u32, from: f64): f64 {
  startSums();
  while (n > 0) {
    const length = min(n, TILE_F64);
    addTo(0, tileOfDifferences<T>(p, length, from));
    p += <usize>length * sizeof<T>();
    n -= length;
  }
  return totalOf(0);
}

// @ts-expect-error: decorator
@inline
function tileOfDifferences<T>(p: usize, n: u32, from: f64): f64 {
  const from2 = f64x2.splat(from);
  // Four sums: each waits for itself.
  let sum0 = f64x2.splat(0);
  let sum1 = sum0;
  let sum2 = sum0;
  let sum3 = sum0;
  const end = p + <usize>(n & ~7) * sizeof<T>();
  for (; p < end; p += 8 * sizeof<T>()) {
    const p4 = p + 4 * sizeof<T>();
    sum0 = f64x2.add(sum0, f64x2.sub(from2, lowPair<T>(p)));
    sum1 = f64x2.add(sum1, f64x2.sub(from2, highPair<T>(p)));
    sum2 = f64x2.add(sum2, f64x2.sub(from2, lowPair<T>(p4)));
    sum3 = f64x2.add(sum3, f64x2.sub(from2, highPair<T>(p4)));
  }
  let sum = horizontalSum(f64x2.add(f64x2.add(sum0, sum1), f64x2.add(sum2, sum3)));
  for (let rest = n & 7; rest > 0; rest--) {
    sum += from - load1<T>(p);
    p += sizeof<T>();
  }
  return sum;
}

/** Terms of weight 0 are looked for only where one of them may count: times 0 what is finite adds nothing. */
function weightedDifferences<T>(p: usize, n: u32, weights: usize, from: f64): f64 {
  const sum = sumOfWeighted<T>(p, n, weights, from, false);
  return isFinite(sum) ? sum : sumOfWeighted<T>(p, n, weights, from, true);
}

function sumOfWeighted<T>(p: usize, n: u32, weights: usize, from: f64, masked: bool): f64 {
  startSums();
  while (n > 0) {
    const length = min(n, TILE_F64);
    addTo(0, masked ? maskedTile<T>(p, length, weights, from) : weightedTile<T>(p, length, weights, from));
    p += <usize>length * sizeof<T>();
    weights += <usize>length << 3;
    n -= length;
  }
  return totalOf(0);
}

function weightedTile<T>(p: usize, n: u32, weights: usize, from: f64): f64 {
  return tileBy<T>(p, n, weights, from, false);
}

function maskedTile<T>(p: usize, n: u32, weights: usize, from: f64): f64 {
  return tileBy<T>(p, n, weights, from, true);
}

// @ts-expect-error: decorator
@inline
function tileBy<T>(p: usize, n: u32, weights: usize, from: f64, masked: bool): f64 {
  const from2 = f64x2.splat(from);
  let sum0 = f64x2.splat(0);
  let sum1 = sum0;
  let sum2 = sum0;
  let sum3 = sum0;
  const end = p + <usize>(n & ~7) * sizeof<T>();
  for (; p < end; p += 8 * sizeof<T>()) {
    const p4 = p + 4 * sizeof<T>();
    sum0 = addTerm(sum0, v128.load(weights), f64x2.sub(from2, lowPair<T>(p)), masked);
    sum1 = addTerm(sum1, v128.load(weights, 16), f64x2.sub(from2, highPair<T>(p)), masked);
    sum2 = addTerm(sum2, v128.load(weights, 32), f64x2.sub(from2, lowPair<T>(p4)), masked);
    sum3 = addTerm(sum3, v128.load(weights, 48), f64x2.sub(from2, highPair<T>(p4)), masked);
    weights += 64;
  }
  let sum = horizontalSum(f64x2.add(f64x2.add(sum0, sum1), f64x2.add(sum2, sum3)));
  for (let rest = n & 7; rest > 0; rest--) {
    const w = load<f64>(weights);
    if (w != 0) sum += w * (from - load1<T>(p));
    p += sizeof<T>();
    weights += 8;
  }
  return sum;
}
