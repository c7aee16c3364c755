import { Odd } from '../abi';
import { GradientCoefficientsLayout as Coefficients, RowBlockLayout, RowMassesLayout } from '../layouts';
import { maddF64 } from './exp-f64';
import { forwardRow } from './forward';
import { greatestMagnitude } from './norm';
import { highPair, lowPair } from './pairs';
import { logSumOf, referenceOf } from './row';

/**
 * Evaluates forward and the gradient, with respect to the logits of each row, of the sum that the coefficients
 * describe,
 *   g_c = a·s_c − w_c·(b + t·p_c) with a = t·Σ_k w_k p_k + b·Σ_k w_k + z·lse, s = softmax,
 * where p are class probabilities. For class indices t, which includes the weight, applies only to the target:
 *   g_c = a·s_c − w_c·b − t·[c = target] with a = t + b·Σ_k w_k + z·lse.
 * Reads the logits once: the forward pass stores its exponentials in the memory of the gradient, and they are completed
 * there. Elements in float32 are divided by the row's scale, a power of two. It is 1 unless coefficients are close to
 * the ends of float32's range, or beyond. The gradient is with respect to x = offset + scale·v, see forward.
 * The gradient is 0 for a row without a target, and NaN for a row without a finite lse.
 * @param coefficients columns of GradientCoefficients
 * @param weights f64 w per class, or 0 for 1
 * @param unit a power of two, at least `classes`
 * @param relativeWeight Σ_k w_k / unit, which is finite where Σ_k w_k may overflow
 * @param probabilities f64 p per row and class, or 0 for class indices
 * @param masses columns of RowMasses; not read for class indices
 * @param g (rows, classes) of float64 for float64 logits, else float32
 * @param scales f64, an entry per row
 */
// @ts-expect-error: decorator
@inline
export function gradient<T>(
  logits: usize, rows: u32, classes: u32, targets: usize, scaleOfLogits: f64, offsets: usize, out: usize,
  coefficients: usize, weights: usize, unit: f64, relativeWeight: f64, probabilities: usize, masses: usize,
  g: usize, scales: usize,
): void {
  const width: usize = sizeof<T>() == 8 ? 8 : 4;
  const isScaled = sizeof<T>() < 8;
  const heaviest: f64 = isScaled && weights != 0 ? greatestMagnitude<f64>(weights, classes) : 1;
  const mayCancel = isScaled && weights != 0 && probabilities != 0 && hasNegative(weights, classes);
  for (let row: u32 = 0; row < rows; row++) {
    const p = logits + <usize>row * <usize>classes * sizeof<T>();
    const at = g + <usize>row * <usize>classes * width;
    const f64At = <usize>row << 3;
    const target = load<i32>(targets + (<usize>row << 2));
    store<f64>(scales + f64At, 1);
    const from = forwardRow<T>(p, classes, target, rows, row, scaleOfLogits, offsets, out, target < 0 ? 0 : at);
    if (target < 0) {
      memory.fill(at, 0, <usize>classes * width);
      continue;
    }
    const lse = load<f64>(out + <usize>rows * RowBlockLayout.lse + f64At);
    if (!isFinite(lse)) {
      for (let c: usize = 0; c < <usize>classes; c++) storeAs<T>(at + c * width, NaN);
      continue;
    }
    const nll = load<f64>(out + <usize>rows * RowBlockLayout.nll + f64At);
    let t = load<f64>(coefficients + <usize>rows * Coefficients.t + f64At);
    let b = load<f64>(coefficients + <usize>rows * Coefficients.b + f64At);
    const z = load<f64>(coefficients + <usize>rows * Coefficients.z + f64At);
    const rowProbabilities: usize = probabilities == 0 ? 0 : probabilities + (<usize>row * <usize>classes << 3);
    const mass: f64 = probabilities == 0 ? 1 : load<f64>(masses + f64At);
    const ofWeights = b * unit * relativeWeight;
    let others = ofWeights + z * lse;
    if (isScaled) {
      const product = greatestProduct(rowProbabilities, classes, weights, mayCancel, masses, rows, row);
      const ofPrior = max(abs(b) * heaviest, abs(t) * product);
      const scale = scaleOf(max(max(abs(t * mass), abs(ofWeights)), max(abs(z * lse), ofPrior)));
      store<f64>(scales + f64At, scale);
      t /= scale;
      b /= scale;
      others /= scale;
    }
    // The softmax at `from`. Subtracts two logits first, because lse has the rounding of the row's offset.
    const share = Math.exp(scaleOfLogits * (from - referenceOf(out, rows, row)) - logSumOf(out, rows, row));
    const factor = (t * mass + others) * share;
    if (weights == 0 && probabilities == 0) subtractConstant<T>(at, classes, factor, b);
    else subtractPrior<T>(at, classes, factor, b, t, weights, rowProbabilities);

    // For the target of a confident row, 1 − s = −expm1(−nll) does not cancel. In other rows mass·s may be tiny.
    const offset = <usize>target << 3;
    const w: f64 = weights == 0 ? 1 : load<f64>(weights + offset);
    const own: f64 = probabilities == 0 ? 1 : w * load<f64>(rowProbabilities + offset);
    const ofLoss =
      probabilities == 0 || nll < 0.5 ? mass - own + mass * Math.expm1(-nll) : mass * Math.exp(-nll) - own;
    const ofTarget = t * ofLoss + others * Math.exp(-nll) - b * w;
    // t is infinite where D = 0: ∞·(1 − s) is NaN there, as in PyTorch, which computes ∞ − ∞·s.
    storeAs<T>(at + <usize>target * width, isFinite(t) ? ofTarget : NaN);
  }
}

/** True when a weight is negative. */
function hasNegative(weights: usize, classes: u32): bool {
  for (let c: usize = 0; c < <usize>classes; c++) {
    if (load<f64>(weights + (c << 3)) < 0) return true;
  }
  return false;
}

/**
 * Upper bound of |w_c·p_c| over the classes of a row, 0 for class indices. Σ w·p is a bound unless its terms have both
 * signs and may cancel. Then the greatest term is found by reading all.
 * @param mayCancel true when a weight is negative
 */
function greatestProduct(
  rowProbabilities: usize, classes: u32, weights: usize, mayCancel: bool, masses: usize, rows: u32, row: u32,
): f64 {
  if (rowProbabilities == 0) return 0;
  const odd = load<i32>(masses + <usize>rows * RowMassesLayout.odd + (<usize>row << 2));
  if (!mayCancel && (odd & Odd.negative) == 0) return load<f64>(masses + (<usize>row << 3));
  let greatest: f64 = 0;
  for (let c: usize = 0; c < <usize>classes; c++) {
    const w: f64 = weights == 0 ? 1 : load<f64>(weights + (c << 3));
    greatest = max(greatest, abs(w * load<f64>(rowProbabilities + (c << 3))));
  }
  return greatest;
}

/** Greatest power of two at or below a bound of a row's terms; 1 when the terms fit into the range of float32. */
// @ts-expect-error: decorator
@inline
export function scaleOf(bound: f64): f64 {
  if (bound == 0 || !isFinite(bound) || (bound > 1e-20 && bound < 1e20)) return 1;
  return max(reinterpret<f64>(reinterpret<u64>(bound) & 0x7ff0000000000000), 2.2250738585072014e-308);
}

/** Stores a value of the gradient: float64 for float64 logits, else float32. */
// @ts-expect-error: decorator
@inline
function storeAs<T>(p: usize, value: f64): void {
  if (sizeof<T>() == 8) store<f64>(p, value);
  else store<f32>(p, <f32>value);
}

/** Replaces e by factor·e − b. */
function subtractConstant<T>(p: usize, n: u32, factor: f64, b: f64): void {
  if (sizeof<T>() == 8) {
    const end = p + (<usize>(n & ~1) << 3);
    for (; p < end; p += 16) {
      v128.store(p, f64x2.sub(f64x2.mul(v128.load(p), f64x2.splat(factor)), f64x2.splat(b)));
    }
    if (n & 1) store<f64>(p, load<f64>(p) * factor - b);
    return;
  }
  const factor4 = f32x4.splat(<f32>factor);
  const b4 = f32x4.splat(<f32>b);
  const end16 = p + (<usize>(n & ~15) << 2);
  for (; p < end16; p += 64) {
    v128.store(p, f32x4.sub(f32x4.mul(v128.load(p), factor4), b4));
    v128.store(p, f32x4.sub(f32x4.mul(v128.load(p, 16), factor4), b4), 16);
    v128.store(p, f32x4.sub(f32x4.mul(v128.load(p, 32), factor4), b4), 32);
    v128.store(p, f32x4.sub(f32x4.mul(v128.load(p, 48), factor4), b4), 48);
  }
  const end = p + (<usize>(n & 15) << 2);
  for (; p < end; p += 4) store<f32>(p, load<f32>(p) * <f32>factor - <f32>b);
}

/** Replaces e_c by factor·e_c − w_c·(b + t·p_c), in float64 until it is stored. */
function subtractPrior<T>(
  p: usize, n: u32, factor: f64, b: f64, t: f64, weights: usize, probabilities: usize,
): void {
  if (probabilities == 0) subtractPriorBy<T>(p, n, factor, b, t, weights, true, 0, false);
  else if (weights == 0) subtractPriorBy<T>(p, n, factor, b, t, 0, false, probabilities, true);
  else subtractPriorBy<T>(p, n, factor, b, t, weights, true, probabilities, true);
}

// @ts-expect-error: decorator
@inline
function subtractPriorBy<T>(
  p: usize, n: u32, factor: f64, b: f64, t: f64, weights: usize, weighted: bool, probabilities: usize, soft: bool,
): void {
  const width: usize = sizeof<T>() == 8 ? 8 : 4;
  const end = p + <usize>(n & ~3) * width;
  const factor2 = f64x2.splat(factor);
  for (; p < end; p += 4 * width) {
    let low = f64x2.splat(-b);
    let high = low;
    if (soft) {
      low = maddF64(f64x2.splat(-t), v128.load(probabilities), low);
      high = maddF64(f64x2.splat(-t), v128.load(probabilities, 16), high);
      probabilities += 32;
    }
    if (weighted) {
      low = f64x2.mul(low, v128.load(weights));
      high = f64x2.mul(high, v128.load(weights, 16));
      weights += 32;
    }
    if (sizeof<T>() == 8) {
      v128.store(p, maddF64(v128.load(p), factor2, low));
      v128.store(p, maddF64(v128.load(p, 16), factor2, high), 16);
    } else {
      low = f32x4.demote_f64x2_zero(maddF64(lowPair<f32>(p), factor2, low));
      high = f32x4.demote_f64x2_zero(maddF64(highPair<f32>(p), factor2, high));
      v128.store(p, v128.shuffle<i64>(low, high, 0, 2));
    }
  }
  for (let rest = n & 3; rest > 0; rest--) {
    let prior = b;
    if (soft) {
      prior += t * load<f64>(probabilities);
      probabilities += 8;
    }
    if (weighted) {
      prior *= load<f64>(weights);
      weights += 8;
    }
    const e = sizeof<T>() == 8 ? load<f64>(p) : <f64>load<f32>(p);
    storeAs<T>(p, e * factor - prior);
    p += width;
  }
}
