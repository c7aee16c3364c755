import { highPair, lowPair } from './pairs';
import { logSumOf, referenceOf } from './row';
import { load1 } from './storage';
import { FLOOR_F64, constantF64, exp2 } from './exp-f64';

/** What the spans since startRow added up to. */
let squares: f64 = 0;
let weightedSum: f64 = 0;

/**
 * Per row of a block that was evaluated, over the classes other than the target, Σ s_c² and Σ w_c·s_c of its softmax s:
 * what the norm of the gradient is made of when shards of the vocabulary are merged. In float64; NaN where lse is not
 * finite.
 * @param weights f64 w per class, or 0 for 1
 * @param out f64: one array after the other, an entry per row each
 */
// @ts-expect-error: decorator
@inline
export function softmaxMoments<T>(
  logits: usize, rows: u32, classes: u32, targets: usize, results: usize, weights: usize, out: usize,
): void {
  for (let row: u32 = 0; row < rows; row++) {
    const p = logits + <usize>row * <usize>classes * sizeof<T>();
    const target = load<i32>(targets + (<usize>row << 2));
    const lse = load<f64>(results + (<usize>row << 3));
    squares = weightedSum = isFinite(lse) ? 0 : NaN;
    if (isFinite(lse)) {
      const before: u32 = target >= 0 ? target : classes;
      const reference = referenceOf(results, rows, row);
      addSpan<T>(p, before, reference, weights);
      if (target >= 0) {
        const skipped = <usize>(before + 1);
        const rest: usize = weights == 0 ? 0 : weights + (skipped << 3);
        addSpan<T>(p + skipped * sizeof<T>(), classes - before - 1, reference, rest);
      }
      const share = Math.exp(-logSumOf(results, rows, row));
      squares *= share * share;
      weightedSum *= share;
    }
    store<f64>(out + (<usize>row << 3), squares);
    store<f64>(out + (<usize>(rows + row) << 3), weightedSum);
  }
}

/** Of exponentials relative to a logit: those of the softmax have the factor 1 / S. */
function addSpan<T>(p: usize, n: u32, from: f64, weights: usize): void {
  const reference = f64x2.splat(from);
  const floor = f64x2.splat(FLOOR_F64);
  const log2e = constantF64(0);
  const rounder = constantF64(1);
  const minusLn2High = constantF64(2);
  const minusLn2Low = constantF64(3);
  const one = f64x2.splat(1);
  let squares2 = f64x2.splat(0);
  let sums2 = squares2;
  const end = p + <usize>(n & ~3) * sizeof<T>();
  for (; p < end; p += 4 * sizeof<T>()) {
    const low = exp2(f64x2.pmax(floor, f64x2.sub(lowPair<T>(p), reference)), log2e, rounder, minusLn2High, minusLn2Low);
    const high = exp2(f64x2.pmax(floor, f64x2.sub(highPair<T>(p), reference)), log2e, rounder, minusLn2High, minusLn2Low);
    squares2 = f64x2.add(squares2, f64x2.add(f64x2.mul(low, low), f64x2.mul(high, high)));
    sums2 = f64x2.add(sums2, f64x2.mul(low, weights == 0 ? one : v128.load(weights)));
    sums2 = f64x2.add(sums2, f64x2.mul(high, weights == 0 ? one : v128.load(weights, 16)));
    if (weights != 0) weights += 32;
  }
  squares += f64x2.extract_lane(squares2, 0) + f64x2.extract_lane(squares2, 1);
  weightedSum += f64x2.extract_lane(sums2, 0) + f64x2.extract_lane(sums2, 1);
  for (let rest = n & 3; rest > 0; rest--) {
    const s = Math.exp(load1<T>(p) - from);
    squares += s * s;
    weightedSum += s * (weights == 0 ? 1 : load<f64>(weights));
    if (weights != 0) weights += 8;
    p += sizeof<T>();
  }
}
