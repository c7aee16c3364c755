import { TILE_F64, addTo, startSums, totalOf } from './compensated';
import { addTerm, highPair, horizontalSum, lowPair } from './pairs';
import { excessOf, logSumOf, referenceOf } from './row';
import { load1 } from './storage';

/**
 * Σ_c w_c·(lse − x_c) / unit of each evaluated row, the term that label smoothing adds. Computed in float64 as (W·log S
 * + scale·Σ_c w_c·(reference − v_c)) / unit, so that neither a large offset or confidence of a row nor a class far
 * below the others costs digits. A class of weight 0 adds nothing, even for an infinite logit. NaN where lse is not
 * finite.
 * @param offsets columns of RowOffsets, or 0: the value of the target is taken from there, in float64
 * @param results columns that forward stored
 * @param weights address of `classes` float64, or 0 for 1
 * @param unit a power of two, at least `classes`: relative to it a sum over classes overflows only where its mean does
 * @param relativeWeight Σ_c w_c / unit
 * @param out f64, an entry per row
 */
// @ts-expect-error: decorator
@inline
export function uniform<T>(
  values: usize, rows: u32, classes: u32, targets: usize, scale: f64, offsets: usize, results: usize, weights: usize,
  unit: f64, relativeWeight: f64, out: usize,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    const f64At = <usize>row << 3;
    const p = values + <usize>row * <usize>classes * sizeof<T>();
    const lse = load<f64>(results + f64At);
    let sum: f64 = NaN;
    if (isFinite(lse)) {
      const from = referenceOf(results, rows, row);
      const differences =
        weights == 0 ? meanDifferences<T>(p, classes, from, unit) : weightedDifferences<T>(p, classes, weights, from, unit);
      sum = relativeWeight * logSumOf(results, rows, row) + scale * differences;
      const target = load<i32>(targets + (<usize>row << 2));
      if (offsets != 0 && target >= 0) {
        const w: f64 = weights == 0 ? 1 : load<f64>(weights + (<usize>target << 3));
        sum += (w / unit) * excessOf<T>(p, target, offsets, rows, row);
      }
    }
    store<f64>(out + f64At, sum);
  }
}

/** Σ (from − x_c) / unit. When a difference overflows float64, the terms are divided one by one. */
function meanDifferences<T>(p: usize, n: u32, from: f64, unit: f64): f64 {
  const sum = sumOfDifferences<T>(p, n, from);
  if (sizeof<T>() < 8 || isFinite(sum)) return sum / unit;
  startSums();
  for (let c: usize = 0; c < <usize>n; c++) addTo(0, from / unit - load1<T>(p + c * sizeof<T>()) / unit);
  return totalOf(0);
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
  // Four independent sums, because an addition must wait for the one before it in the same sum.
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

/**
 * Σ w·(from − x_c) / unit. When the plain sum is not finite, terms of weight 0 are left out, and the terms are divided
 * one by one.
 */
function weightedDifferences<T>(p: usize, n: u32, weights: usize, from: f64, unit: f64): f64 {
  startSums();
  let at = p;
  let weightsAt = weights;
  for (let left = n; left > 0; ) {
    const length = min(left, TILE_F64);
    addTo(0, weightedTile<T>(at, length, weightsAt, from));
    at += <usize>length * sizeof<T>();
    weightsAt += <usize>length << 3;
    left -= length;
  }
  const sum = totalOf(0);
  return isFinite(sum) ? sum / unit : carefulDifferences<T>(p, n, weights, from, unit);
}

function carefulDifferences<T>(p: usize, n: u32, weights: usize, from: f64, unit: f64): f64 {
  startSums();
  for (let c: usize = 0; c < <usize>n; c++) {
    const w = load<f64>(weights + (c << 3));
    if (w != 0) addTo(0, w * (from / unit - load1<T>(p + c * sizeof<T>()) / unit));
  }
  return totalOf(0);
}

function weightedTile<T>(p: usize, n: u32, weights: usize, from: f64): f64 {
  const from2 = f64x2.splat(from);
  let sum0 = f64x2.splat(0);
  let sum1 = sum0;
  let sum2 = sum0;
  let sum3 = sum0;
  const end = p + <usize>(n & ~7) * sizeof<T>();
  for (; p < end; p += 8 * sizeof<T>()) {
    const p4 = p + 4 * sizeof<T>();
    sum0 = addTerm(sum0, v128.load(weights), f64x2.sub(from2, lowPair<T>(p)), false);
    sum1 = addTerm(sum1, v128.load(weights, 16), f64x2.sub(from2, highPair<T>(p)), false);
    sum2 = addTerm(sum2, v128.load(weights, 32), f64x2.sub(from2, lowPair<T>(p4)), false);
    sum3 = addTerm(sum3, v128.load(weights, 48), f64x2.sub(from2, highPair<T>(p4)), false);
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
