import { Odd, SUM_TOLERANCE } from '../abi';
import { CrossEntropiesLayout, RowMassesLayout as Masses } from '../layouts';
import { TILE_F64, addTo, startSums, totalOf } from './compensated';
import { indexOfMaximum } from './maximum';
import { addTerm, highPair, horizontalSum, lowPair } from './pairs';
import { excessOf, logSumOf, referenceOf } from './row';
import { load1 } from './storage';

/**
 * Reads the class probabilities p of a block (rows, classes) as float64, and computes the sums and validity flags of
 * each row, which need no logits. A target of 0 or more is replaced by the most probable class, the lowest index on
 * ties.
 * @param weights f64 w per class, or 0 for 1
 * @param read f64, an entry per row and class
 * @param out columns of RowMasses
 */
// @ts-expect-error: decorator
@inline
export function readProbabilities<P>(
  p: usize, rows: u32, classes: u32, targets: usize, weights: usize, read: usize, out: usize,
): void {
  const n = <usize>rows;
  for (let row: u32 = 0; row < rows; row++) {
    const at = p + <usize>row * <usize>classes * sizeof<P>();
    const f64At = out + (<usize>row << 3);
    const lowest = readRow<P>(at, classes, weights, read + (<usize>row * <usize>classes << 3));
    const sum = totalOf(0);
    store<f64>(f64At + n * Masses.sums, sum);
    store<f64>(f64At + n * Masses.masses, totalOf(1));
    let odd = lowest < 0 ? Odd.negative : 0;
    if (!isFinite(sum)) odd |= Odd.nonFinite;
    else if (abs(sum - 1) > SUM_TOLERANCE) odd |= Odd.notOne;
    const target = targets + (<usize>row << 2);
    if (load<i32>(target) >= 0) store<i32>(target, indexOfMaximum<P>(at, classes, 0));
    store<i32>(out + n * Masses.odd + (<usize>row << 2), odd);
  }
}

/** Reads a row. Adds Σ p to the first of the sums, and Σ w·p to the second. @returns the lowest p that is not NaN, or 0 */
function readRow<P>(p: usize, n: u32, weights: usize, read: usize): f64 {
  startSums();
  let lowest: f64 = 0;
  while (n > 0) {
    const length = min(n, TILE_F64);
    lowest = min(lowest, readTile<P>(p, length, weights, read));
    p += <usize>length * sizeof<P>();
    read += <usize>length << 3;
    if (weights != 0) weights += <usize>length << 3;
    n -= length;
  }
  return lowest;
}

/** Reads a part of a row. */
// @ts-expect-error: decorator
@inline
function readTile<P>(p: usize, n: u32, weights: usize, read: usize): f64 {
  let sum0 = f64x2.splat(0);
  let sum1 = sum0;
  let mass0 = sum0;
  let mass1 = sum0;
  let least = sum0;
  const end = p + <usize>(n & ~3) * sizeof<P>();
  for (; p < end; p += 4 * sizeof<P>()) {
    const low = lowPair<P>(p);
    const high = highPair<P>(p);
    v128.store(read, low);
    v128.store(read, high, 16);
    sum0 = f64x2.add(sum0, low);
    sum1 = f64x2.add(sum1, high);
    least = f64x2.pmin(f64x2.pmin(least, low), high);
    if (weights != 0) {
      mass0 = f64x2.add(mass0, f64x2.mul(low, v128.load(weights)));
      mass1 = f64x2.add(mass1, f64x2.mul(high, v128.load(weights, 16)));
      weights += 32;
    }
    read += 32;
  }
  let tileSum = horizontalSum(f64x2.add(sum0, sum1));
  let tileMass = horizontalSum(f64x2.add(mass0, mass1));
  let lowest = min(f64x2.extract_lane(least, 0), f64x2.extract_lane(least, 1));
  const weighted = weights != 0;
  for (let rest = n & 3; rest > 0; rest--) {
    const value = load1<P>(p);
    store<f64>(read, value);
    tileSum += value;
    if (value < lowest) lowest = value;
    if (weighted) {
      tileMass += value * load<f64>(weights);
      weights += 8;
    }
    p += sizeof<P>();
    read += 8;
  }
  addTo(0, tileSum);
  addTo(1, weighted ? tileMass : tileSum);
  return lowest;
}

/**
 * −Σ_c v_c·p_c·log s_c of each evaluated row, with v = 1 and with v = w, where 0·log s_c is 0 for every log s_c.
 * Computed with −log s_c = log S + scale·(reference − v_c), so that neither a row's offset nor a class far below the
 * others costs digits.
 * @param offsets columns of RowOffsets, or 0: the value of the target is taken from there, in float64
 * @param read f64 p per row and class
 * @param results columns that forward stored
 * @param weights f64 w per class; 0 for none, and then no weighted column is stored
 * @param out columns of CrossEntropies
 */
// @ts-expect-error: decorator
@inline
export function crossEntropy<T>(
  values: usize, rows: u32, classes: u32, targets: usize, scale: f64, offsets: usize, results: usize, read: usize,
  weights: usize, out: usize,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    const f64At = <usize>row << 3;
    const p = values + <usize>row * <usize>classes * sizeof<T>();
    const rowRead = read + (<usize>row * <usize>classes << 3);
    let plain: f64 = 0;
    let weighted: f64 = 0;
    const target = load<i32>(targets + (<usize>row << 2));
    if (target >= 0) {
      const lse = load<f64>(results + f64At);
      if (isFinite(lse)) {
        const from = referenceOf(results, rows, row);
        const base = logSumOf(results, rows, row) / scale;
        plain = scale * dot<T>(p, classes, rowRead, 0, base, from);
        if (weights != 0) weighted = scale * dot<T>(p, classes, rowRead, weights, base, from);
        const q = load<f64>(rowRead + (<usize>target << 3));
        if (offsets != 0 && isFinite(q)) {
          const term = q * excessOf<T>(p, target, offsets, rows, row);
          plain += term;
          if (weights != 0) weighted += term * load<f64>(weights + (<usize>target << 3));
        }
      } else {
        plain = weighted = NaN;
      }
    }
    store<f64>(out + <usize>rows * CrossEntropiesLayout.nll + f64At, plain);
    if (weights != 0) store<f64>(out + <usize>rows * CrossEntropiesLayout.weighted + f64At, weighted);
  }
}

/** Σ_c w_c·p_c·(base + (from − x_c)) without the terms of p_c = 0 and w_c = 0. Such terms are 0 unless x_c is infinite. */
function dot<T>(p: usize, n: u32, read: usize, weights: usize, base: f64, from: f64): f64 {
  const sum = sumOfProducts<T>(p, n, read, weights, base, from, false);
  return isFinite(sum) ? sum : sumOfProducts<T>(p, n, read, weights, base, from, true);
}

function sumOfProducts<T>(p: usize, n: u32, read: usize, weights: usize, base: f64, from: f64, masked: bool): f64 {
  startSums();
  while (n > 0) {
    const length = min(n, TILE_F64);
    const tile = masked
      ? maskedTile<T>(p, length, read, weights, base, from)
      : plainTile<T>(p, length, read, weights, base, from);
    addTo(0, tile);
    p += <usize>length * sizeof<T>();
    read += <usize>length << 3;
    if (weights != 0) weights += <usize>length << 3;
    n -= length;
  }
  return totalOf(0);
}

function plainTile<T>(p: usize, n: u32, read: usize, weights: usize, base: f64, from: f64): f64 {
  return tileBy<T>(p, n, read, weights, base, from, false);
}

function maskedTile<T>(p: usize, n: u32, read: usize, weights: usize, base: f64, from: f64): f64 {
  return tileBy<T>(p, n, read, weights, base, from, true);
}

// @ts-expect-error: decorator
@inline
function tileBy<T>(p: usize, n: u32, read: usize, weights: usize, base: f64, from: f64, masked: bool): f64 {
  const from2 = f64x2.splat(from);
  const base2 = f64x2.splat(base);
  let sum0 = f64x2.splat(0);
  let sum1 = sum0;
  let sum2 = sum0;
  let sum3 = sum0;
  const end = p + <usize>(n & ~7) * sizeof<T>();
  while (p < end) {
    let q0 = v128.load(read);
    let q1 = v128.load(read, 16);
    let q2 = v128.load(read, 32);
    let q3 = v128.load(read, 48);
    if (weights != 0) {
      q0 = f64x2.mul(q0, v128.load(weights));
      q1 = f64x2.mul(q1, v128.load(weights, 16));
      q2 = f64x2.mul(q2, v128.load(weights, 32));
      q3 = f64x2.mul(q3, v128.load(weights, 48));
      weights += 64;
    }
    const p4 = p + 4 * sizeof<T>();
    sum0 = addTerm(sum0, q0, f64x2.add(base2, f64x2.sub(from2, lowPair<T>(p))), masked);
    sum1 = addTerm(sum1, q1, f64x2.add(base2, f64x2.sub(from2, highPair<T>(p))), masked);
    sum2 = addTerm(sum2, q2, f64x2.add(base2, f64x2.sub(from2, lowPair<T>(p4))), masked);
    sum3 = addTerm(sum3, q3, f64x2.add(base2, f64x2.sub(from2, highPair<T>(p4))), masked);
    p += 8 * sizeof<T>();
    read += 64;
  }
  let sum = horizontalSum(f64x2.add(f64x2.add(sum0, sum1), f64x2.add(sum2, sum3)));
  for (let rest = n & 7; rest > 0; rest--) {
    let q = load<f64>(read);
    if (weights != 0) {
      q *= load<f64>(weights);
      weights += 8;
    }
    if (q != 0) sum += q * (base + (from - load1<T>(p)));
    p += sizeof<T>();
    read += 8;
  }
  return sum;
}
