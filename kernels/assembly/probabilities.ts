import { load1 } from './storage';
import { highPair, lowPair, term } from './pairs';

/** What may be odd about a row of probabilities, as bits. */
const NOT_ONE: i32 = 1;
const NEGATIVE: i32 = 2;
const NON_FINITE: i32 = 4;

/** How far from 1 a row may sum. */
const TOLERANCE: f64 = 1e-3;

/**
 * Reads the class probabilities p of a block (rows, classes) as float64, and says of each row what is known before the
 * logits. The target of a row that has one becomes its most probable class, the first of equals.
 * @param weights f64 w per class, or 0 for 1
 * @param read f64, an entry per row and class
 * @param out one array after the other, an entry per row each: f64 Σ w·p, f64 Σ p, i32 bits of what is odd
 */
// @ts-expect-error: decorator
@inline
export function probabilities<P>(
  p: usize, rows: u32, classes: u32, targets: usize, weights: usize, read: usize, out: usize,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    let mass: f64 = 0;
    let sum: f64 = 0;
    let top: f64 = -Infinity;
    let best: u32 = 0;
    let odd = 0;
    for (let c: u32 = 0; c < classes; c++) {
      const value = load1<P>(p);
      store<f64>(read, value);
      sum += value;
      mass += weights == 0 ? value : value * load<f64>(weights + (<usize>c << 3));
      if (value > top) {
        top = value;
        best = c;
      }
      if (value < 0) odd |= NEGATIVE;
      p += sizeof<P>();
      read += 8;
    }
    if (!isFinite(sum)) odd |= NON_FINITE;
    else if (abs(sum - 1) > TOLERANCE) odd |= NOT_ONE;
    const target = targets + (<usize>row << 2);
    if (load<i32>(target) >= 0) store<i32>(target, best);
    store<f64>(out + (<usize>row << 3), mass);
    store<f64>(out + (<usize>(rows + row) << 3), sum);
    store<i32>(out + (<usize>rows << 4) + (<usize>row << 2), odd);
  }
}

/**
 * Per row of a block that was evaluated −Σ_c v_c·p_c·log s_c, with v = 1 and with v = w, where 0·log s_c is 0 whatever
 * log s_c. With the target apart, −log s_c = nll + (x_target − x_c): a confident row keeps its relative accuracy.
 * @param read f64 p per row and class, results what forward left
 * @param weights f64 w per class, or 0: then the second is not formed
 * @param out f64: one array after the other, an entry per row each
 */
// @ts-expect-error: decorator
@inline
export function crossEntropy<T>(
  logits: usize, rows: u32, classes: u32, targets: usize, results: usize, read: usize, weights: usize, out: usize,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    const f64At = <usize>row << 3;
    const p = logits + <usize>row * <usize>classes * sizeof<T>();
    const rowRead = read + (<usize>row * <usize>classes << 3);
    let plain: f64 = 0;
    let weighted: f64 = 0;
    if (load<i32>(targets + (<usize>row << 2)) >= 0) {
      const lse = load<f64>(results + f64At);
      if (isFinite(lse)) {
        // Where the most probable class has the logit −Inf, differences to it say nothing: relative to lse instead.
        const x = load<f64>(results + (<usize>rows << 3) + f64At);
        const from = x == -Infinity ? lse : x;
        const base: f64 = x == -Infinity ? 0 : load<f64>(results + (<usize>rows << 4) + f64At);
        plain = dot<T>(p, classes, rowRead, 0, base, from);
        if (weights != 0) weighted = dot<T>(p, classes, rowRead, weights, base, from);
      } else {
        plain = weighted = NaN;
      }
    }
    store<f64>(out + f64At, plain);
    if (weights != 0) store<f64>(out + (<usize>rows << 3) + f64At, weighted);
  }
}

/** Σ_c w_c·p_c·(base + (from − x_c)), terms of p_c = 0 and of w_c = 0 left out */
function dot<T>(p: usize, n: u32, read: usize, weights: usize, base: f64, from: f64): f64 {
  const from2 = f64x2.splat(from);
  const base2 = f64x2.splat(base);
  let sum0 = f64x2.splat(0);
  let sum1 = sum0;
  const end = p + <usize>(n & ~3) * sizeof<T>();
  while (p < end) {
    let q0 = v128.load(read);
    let q1 = v128.load(read, 16);
    if (weights != 0) {
      q0 = f64x2.mul(q0, v128.load(weights));
      q1 = f64x2.mul(q1, v128.load(weights, 16));
      weights += 32;
    }
    sum0 = f64x2.add(sum0, term(q0, f64x2.add(base2, f64x2.sub(from2, lowPair<T>(p)))));
    sum1 = f64x2.add(sum1, term(q1, f64x2.add(base2, f64x2.sub(from2, highPair<T>(p)))));
    p += 4 * sizeof<T>();
    read += 32;
  }
  sum0 = f64x2.add(sum0, sum1);
  let sum = f64x2.extract_lane(sum0, 0) + f64x2.extract_lane(sum0, 1);
  for (let rest = n & 3; rest > 0; rest--) {
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
