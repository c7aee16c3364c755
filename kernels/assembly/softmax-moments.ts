import { RowBlockLayout, SoftmaxMomentsLayout as Layout } from '../layouts';
import { TILE_F64, addTo, startSums, totalOf } from './compensated';
import { FLOOR_F64, constantF64, exp2, maddF64 } from './exp-f64';
import { greatestMagnitude } from './norm';
import { highPair, horizontalSum, lowPair } from './pairs';
import { logSumOf, referenceOf } from './row';
import { load1 } from './storage';

/**
 * Moments of each evaluated row over the classes c other than the target. They yield the norm of the gradient when
 * shards of the vocabulary are merged. With the softmax of these classes alone, q = s / Σ s, their weights w and the
 * slope α = 1 / Σ w, the moments are
 *   √Σ (q_c − α·w_c)²,  Σ (q_c − α·w_c)·w_c,  α  and  √Σ w_c².
 * A gradient A·q_c − b·w_c is A·(q_c − α·w_c) + (A·α − b)·w_c. Where smoothing makes its two terms nearly equal, this
 * form subtracts them class by class, and not as sums of squares. Computed in float64; the first two are NaN where lse
 * is not finite.
 * @param weights f64 w per class, or 0 for 1
 * @param out columns of SoftmaxMoments
 */
// @ts-expect-error: decorator
@inline
export function softmaxMoments<T>(
  values: usize, rows: u32, classes: u32, targets: usize, scale: f64, results: usize, weights: usize, out: usize,
): void {
  if (weights != 0) readWeights(weights, classes);
  for (let row: u32 = 0; row < rows; row++) {
    const p = values + <usize>row * <usize>classes * sizeof<T>();
    const f64At = out + (<usize>row << 3);
    const n = <usize>rows;
    const target = load<i32>(targets + (<usize>row << 2));
    const before: u32 = target >= 0 ? target : classes;
    const after: u32 = target >= 0 ? classes - target - 1 : 0;
    const afterAt = <usize>(classes - after);
    const weightsAfter: usize = weights == 0 ? 0 : weights + (afterAt << 3);

    const slopeAt = f64At + n * Layout.softmaxSlope;
    const normAt = f64At + n * Layout.weightNorm;
    if (weights == 0) countOthers(before + after, slopeAt, normAt);
    else weighOthers(weights, before, weightsAfter, after, slopeAt, normAt);
    const slope = load<f64>(slopeAt);
    startSums();
    const factor = factorOf(results, rows, row, target);
    const reference = referenceOf(results, rows, row);
    if (factor != 0) {
      addSpan<T>(p, before, scale, reference, factor, slope, weights);
      addSpan<T>(p + afterAt * sizeof<T>(), after, scale, reference, factor, slope, weightsAfter);
    }
    store<f64>(f64At + n * Layout.softmaxSpread, Math.sqrt(totalOf(0)));
    store<f64>(f64At + n * Layout.softmaxAlong, totalOf(1));
    if (factor == 0) store<f64>(slopeAt, 0);
  }
}

/**
 * Factor from exp(scale·(v_c − reference)) to q_c: 1 / (S·Σ s). 0 when the target has the whole sum; NaN when lse is not
 * finite.
 */
function factorOf(results: usize, rows: u32, row: u32, target: i32): f64 {
  if (!isFinite(load<f64>(results + (<usize>row << 3)))) return NaN;
  // Σ s = 1 − s_target = −expm1(−nll), which does not cancel.
  const nll = load<f64>(results + <usize>rows * RowBlockLayout.nll + (<usize>row << 3));
  const others: f64 = target >= 0 ? -Math.expm1(-nll) : 1;
  return others < LEAST ? 0 : Math.exp(-logSumOf(results, rows, row)) / others;
}

/** The least divisor by which quotients stay within the range of float64. */
const LEAST: f64 = 1e-300;

/** Stores 1 / Σ w and √Σ w² of n classes of weight 1. */
function countOthers(n: u32, slopeAt: usize, normAt: usize): void {
  store<f64>(slopeAt, n == 0 ? 0 : 1 / <f64>n);
  store<f64>(normAt, Math.sqrt(<f64>n));
}

/** The greatest |w|, and Σ r, Σ |r| and Σ r² of r = w / heaviest, in which no square leaves float64. */
@unmanaged
class WeightSums {
  heaviest: f64;
  sum: f64;
  magnitudes: f64;
  squares: f64;
}

/** Sums over all classes. */
const all = changetype<WeightSums>(memory.data(32, 16));

function readWeights(weights: usize, classes: u32): void {
  all.heaviest = greatestMagnitude<f64>(weights, classes);
  startSums();
  addWeights(weights, classes, all.heaviest);
  all.sum = totalOf(0);
  all.magnitudes = totalOf(1);
  all.squares = totalOf(2);
}

/**
 * Stores 1 / Σ w and √Σ w² over two spans. The sums are those over all classes minus the class between the spans,
 * unless that class has most of the sums. Then they are computed again, relative to the heaviest weight of the spans:
 * relative to the class between them all squares may be 0.
 */
function weighOthers(
  weights: usize, before: u32, weightsAfter: usize, after: u32, slopeAt: usize, normAt: usize,
): void {
  let unit = all.heaviest;
  let sum = all.sum;
  let magnitudes = all.magnitudes;
  let squares = all.squares;
  if (weightsAfter != weights + (<usize>before << 3)) {
    const own = load<f64>(weights + (<usize>before << 3)) / unit;
    sum -= own;
    magnitudes -= abs(own);
    squares -= own * own;
    if (!(2 * magnitudes >= all.magnitudes && 2 * squares >= all.squares)) {
      unit = max(greatestMagnitude<f64>(weights, before), greatestMagnitude<f64>(weightsAfter, after));
      startSums();
      addWeights(weights, before, unit);
      addWeights(weightsAfter, after, unit);
      sum = totalOf(0);
      magnitudes = totalOf(1);
      squares = totalOf(2);
    }
  }
  // The slope is 0 when negative weights cancel the others, or when it would leave the range of float64.
  const slope = 1 / sum / unit;
  store<f64>(slopeAt, sum > 0 && 2 * sum >= magnitudes && isFinite(slope) ? slope : 0);
  store<f64>(normAt, unit * Math.sqrt(squares));
}

/** Adds Σ r, Σ |r| and Σ r² with r = w / unit. */
function addWeights(p: usize, n: u32, unit: f64): void {
  if (unit == 0) return;
  const divisor = f64x2.splat(unit);
  while (n > 0) {
    const length = min(n, TILE_F64);
    let sums = f64x2.splat(0);
    let magnitudes = sums;
    let squares = sums;
    const end = p + (<usize>(length & ~1) << 3);
    for (; p < end; p += 16) {
      const ratio = f64x2.div(v128.load(p), divisor);
      sums = f64x2.add(sums, ratio);
      magnitudes = f64x2.add(magnitudes, f64x2.abs(ratio));
      squares = maddF64(ratio, ratio, squares);
    }
    const last: f64 = length & 1 ? load<f64>(p) / unit : 0;
    if (length & 1) p += 8;
    addTo(0, horizontalSum(sums) + last);
    addTo(1, horizontalSum(magnitudes) + abs(last));
    addTo(2, horizontalSum(squares) + last * last);
    n -= length;
  }
}

function addSpan<T>(p: usize, n: u32, scale: f64, from: f64, factor: f64, slope: f64, weights: usize): void {
  while (n > 0) {
    const length = min(n, TILE_F64);
    addTile<T>(p, length, scale, from, factor, slope, weights);
    p += <usize>length * sizeof<T>();
    if (weights != 0) weights += <usize>length << 3;
    n -= length;
  }
}

function addTile<T>(
  p: usize, n: u32, scale: f64, from: f64, factor: f64, slope: f64, weights: usize,
): void {
  const scale2 = f64x2.splat(scale);
  const reference = f64x2.splat(from);
  const floor = f64x2.splat(FLOOR_F64);
  const log2e = constantF64(0);
  const rounder = constantF64(1);
  const minusLn2High = constantF64(2);
  const minusLn2Low = constantF64(3);
  const factor2 = f64x2.splat(factor);
  const minusSlope = f64x2.splat(-slope);
  let w0 = f64x2.splat(1);
  let w1 = w0;
  let squares = f64x2.splat(0);
  let products = squares;
  const end = p + <usize>(n & ~3) * sizeof<T>();
  for (; p < end; p += 4 * sizeof<T>()) {
    const d0 = f64x2.pmax(floor, f64x2.mul(scale2, f64x2.sub(lowPair<T>(p), reference)));
    const d1 = f64x2.pmax(floor, f64x2.mul(scale2, f64x2.sub(highPair<T>(p), reference)));
    const e0 = exp2(d0, log2e, rounder, minusLn2High, minusLn2Low);
    const e1 = exp2(d1, log2e, rounder, minusLn2High, minusLn2Low);
    if (weights != 0) {
      w0 = v128.load(weights);
      w1 = v128.load(weights, 16);
      weights += 32;
    }
    const u0 = maddF64(minusSlope, w0, f64x2.mul(e0, factor2));
    const u1 = maddF64(minusSlope, w1, f64x2.mul(e1, factor2));
    squares = maddF64(u1, u1, maddF64(u0, u0, squares));
    products = maddF64(u1, w1, maddF64(u0, w0, products));
  }
  let tileSquares = horizontalSum(squares);
  let tileProducts = horizontalSum(products);
  for (let rest = n & 3; rest > 0; rest--) {
    const w: f64 = weights == 0 ? 1 : load<f64>(weights);
    const u = Math.exp(scale * (load1<T>(p) - from)) * factor - slope * w;
    tileSquares += u * u;
    tileProducts += u * w;
    if (weights != 0) weights += 8;
    p += sizeof<T>();
  }
  addTo(0, tileSquares);
  addTo(1, tileProducts);
}
