import { Direction, LEFT_OUT } from '../abi';
import { RowDivergencesLayout as Layout } from '../layouts';
import { TILE_F64, addTo, startSums, totalOf } from './compensated';
import { MIXED_F32, RATIOS_F32, addToShift, setPair } from './divergence';
import { writeGradient, writeReverseGradient } from './divergence-gradient-f32';
import { PAIR } from './divergence-sums';
import { scaleOf } from './gradient';
import { GREATEST_RATIO, logOfMixture } from './jensen-shannon';
import { writeMixedGradient } from './jensen-shannon-gradient-f32';
import { eighthAt, isNearShift, ofP, ofQ, ratioAt } from './pair-values';
import { load1 } from './storage';

/**
 * Gradient of each row's divergence with respect to the logits of q, times the row's coefficient k:
 * forward k·s·(q − p), reverse k·s·q·(d − KL), Jensen–Shannon k·s·(1 − β)·q·(log(q/m) − KL(q‖m)), with d = log(q/p) and
 * s the scale. Elements in float32 are divided by the row's power of two. The gradient of a row that is left out is 0.
 * It is NaN without a finite lse, without a finite k·s, or for an infinite reverse divergence.
 * @param direction number of Direction
 * @param divergences columns that `divergence` stored
 * @param coefficients f64, an entry per row
 * @param g (rows, classes) of float64 for float64 logits, else float32
 * @param scales f64, an entry per row
 */
// @ts-expect-error: decorator
@inline
export function divergenceGradient<T>(
  ps: usize, qs: usize, rows: u32, classes: u32, targets: usize, scale: f64, pResults: usize, qResults: usize,
  first: u32, end: u32, pKept: usize, qKept: usize, pOrigins: usize, qOrigins: usize, series: usize, beta: f64,
  direction: i32, divergences: usize, coefficients: usize, g: usize, scales: usize,
): void {
  const width: usize = sizeof<T>() == 8 ? 8 : 4;
  const n = <usize>rows;
  for (let row = first; row < end; row++) {
    const f64At = <usize>row << 3;
    const out = g + <usize>row * <usize>classes * width;
    store<f64>(scales + f64At, 1);
    if (load<i32>(targets + (<usize>row << 2)) == LEFT_OUT) {
      memory.fill(out, 0, <usize>classes * width);
      continue;
    }
    const divergence = load<f64>(divergences + n * Layout.divergence + f64At);
    let k = scale * load<f64>(coefficients + f64At);
    const isOpen = divergence == Infinity && direction == Direction.reverse;
    if (divergence != divergence || isOpen || !isFinite(k)) {
      for (let c: usize = 0; c < <usize>classes; c++) storeElement<T>(out + c * width, NaN);
      continue;
    }
    setPair<T>(ps, qs, rows, classes, scale, pResults, qResults, first, row, pKept, qKept, pOrigins, qOrigins);
    PAIR.beta = beta;
    const isReverse = direction == Direction.reverse;
    // The excess of an infinite divergence is 0.
    const excess = load<f64>(divergences + n * Layout.excess + f64At);
    const total = load<f64>(divergences + n * Layout.total + f64At);
    addToShift(isReverse ? -excess : excess);
    if (sizeof<T>() < 8) {
      const unit = scaleOf(isReverse ? abs(k) * max(1, divergence) : abs(k));
      store<f64>(scales + f64At, unit);
      k /= unit;
    }
    k /= total;
    if (direction == Direction.mixed) {
      const own = k * (1 - beta);
      const isNear = sizeof<T>() < 8 && isNearShift<T>();
      if (!isNear || !writeMixedGradient<T>(out, own, series + MIXED_F32, series + RATIOS_F32)) {
        writeMixed<T>(out, own, meanOfMixture<T>());
      }
    } else if (isReverse) {
      const isNear = sizeof<T>() < 8 && divergence < GREATEST_FLOAT32;
      if (!isNear || !isNearShift<T>() || !writeReverseGradient<T>(out, <f32>k, <f32>divergence)) {
        for (let c: u32 = 0; c < classes; c++) storeElement<T>(out + <usize>c * width, reverseElement<T>(c, k, divergence));
      }
    } else if (sizeof<T>() == 8 || !isNearShift<T>() || !writeGradient<T>(out, <f32>k, series)) {
      for (let c: u32 = 0; c < classes; c++) storeElement<T>(out + <usize>c * width, k * forwardElement<T>(c));
    }
  }
}

/**
 * Limit of the reverse divergences whose gradient is computed in float32: k and k·(d − KL) stay far from the ends of
 * its range.
 */
const GREATEST_FLOAT32: f64 = 1e6;

// @ts-expect-error: decorator
@inline
export function storeElement<T>(p: usize, value: f64): void {
  if (sizeof<T>() == 8) store<f64>(p, value);
  else store<f32>(p, <f32>value);
}

/** q − p */
function forwardElement<T>(c: u32): f64 {
  const x = load1<T>(PAIR.x + <usize>c * sizeof<T>());
  const y = load1<T>(PAIR.y + <usize>c * sizeof<T>());
  const p = ofP<T>(c);
  if (x != -Infinity && y != -Infinity) {
    const d = ratioAt(x, y);
    if (d < GREATEST_RATIO) return p * Math.expm1(d);
  }
  return PAIR.factor * ofQ<T>(c) - p;
}

/** k·q·(d − KL), computed in another order where q·(d − KL) leaves the range of float64. */
function reverseElement<T>(c: u32, k: f64, divergence: f64): f64 {
  const q = ofQ<T>(c);
  if (q == 0) return 0;
  const x = load1<T>(PAIR.x + <usize>c * sizeof<T>());
  const y = load1<T>(PAIR.y + <usize>c * sizeof<T>());
  const element = k * (q * (ratioAt(x, y) - divergence));
  if (isFinite(element)) return element;
  return k * q * (eighthAt(x, y) - divergence / 8 / PAIR.scale) * (8 * PAIR.scale);
}

/** log(q/m) of a class with q > 0. */
function mixtureAt<T>(c: u32): f64 {
  const x = load1<T>(PAIR.x + <usize>c * sizeof<T>());
  if (x == -Infinity) return -Math.log(1 - PAIR.beta);
  return logOfMixture(ratioAt(x, load1<T>(PAIR.y + <usize>c * sizeof<T>())), PAIR.beta);
}

/** KL(q‖m) = Σ q·log(q/m) / Σ q: the division removes the error of Σ q; errors of log(q/m) remain. */
function meanOfMixture<T>(): f64 {
  startSums();
  for (let first: u32 = 0; first < PAIR.classes; first += TILE_F64) {
    let mass: f64 = 0;
    let sum: f64 = 0;
    for (let c = first; c < min(first + TILE_F64, PAIR.classes); c++) {
      const q = ofQ<T>(c);
      if (q == 0) continue;
      mass += q;
      sum += q * mixtureAt<T>(c);
    }
    addTo(0, mass);
    addTo(1, sum);
  }
  return totalOf(1) / totalOf(0);
}

function writeMixed<T>(out: usize, k: f64, mean: f64): void {
  const width: usize = sizeof<T>() == 8 ? 8 : 4;
  for (let c: u32 = 0; c < PAIR.classes; c++) {
    const q = PAIR.factor * ofQ<T>(c);
    storeElement<T>(out + <usize>c * width, q == 0 ? 0 : k * q * (mixtureAt<T>(c) - mean));
  }
}
