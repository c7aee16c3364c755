import { TILE_F64, addTo, startSums, totalOf } from './compensated';
import { maddF64 } from './exp-f64';
import { highPair, horizontalSum, lowPair } from './pairs';
import { load1 } from './storage';

/**
 * Stores the Euclidean norm of each row of a gradient. S is f64 or f32, the norm float64. Squares of float32 are within
 * the range of float64. Squares of float64 may leave it, and are then summed relative to the greatest magnitude, as
 * nrm2 of BLAS does.
 * @param scales f64 per row: the power of two to multiply its elements by
 */
// @ts-expect-error: decorator
@inline
export function norms<S>(g: usize, rows: u32, classes: u32, scales: usize, out: usize): void {
  for (let row: u32 = 0; row < rows; row++) {
    const p = g + <usize>row * <usize>classes * sizeof<S>();
    const squares = sumOfSquares<S>(p, classes);
    const norm = sizeof<S>() == 4 || isPlain(squares) ? Math.sqrt(squares) : scaledNorm<S>(p, classes, greatestMagnitude<S>(p, classes));
    store<f64>(out + (<usize>row << 3), norm * load<f64>(scales + (<usize>row << 3)));
  }
}

/** True when a sum of squares has neither overflowed nor underflowed in float64. */
// @ts-expect-error: decorator
@inline
export function isPlain(squares: f64): bool {
  return squares > 1e-280 && squares < Infinity;
}

function sumOfSquares<S>(p: usize, n: u32): f64 {
  startSums();
  while (n > 0) {
    const length = min(n, TILE_F64);
    addTo(0, tileOfSquares<S>(p, length));
    p += <usize>length * sizeof<S>();
    n -= length;
  }
  return totalOf(0);
}

// @ts-expect-error: decorator
@inline
function tileOfSquares<S>(p: usize, n: u32): f64 {
  // Four independent sums, because an addition must wait for the one before it in the same sum.
  let sum0 = f64x2.splat(0);
  let sum1 = sum0;
  let sum2 = sum0;
  let sum3 = sum0;
  const end = p + <usize>(n & ~7) * sizeof<S>();
  for (; p < end; p += 8 * sizeof<S>()) {
    const g0 = lowPair<S>(p);
    const g1 = highPair<S>(p);
    const g2 = lowPair<S>(p + 4 * sizeof<S>());
    const g3 = highPair<S>(p + 4 * sizeof<S>());
    sum0 = maddF64(g0, g0, sum0);
    sum1 = maddF64(g1, g1, sum1);
    sum2 = maddF64(g2, g2, sum2);
    sum3 = maddF64(g3, g3, sum3);
  }
  let sum = horizontalSum(f64x2.add(f64x2.add(sum0, sum1), f64x2.add(sum2, sum3)));
  for (let rest = n & 7; rest > 0; rest--) {
    const value = <f64>load<S>(p);
    sum += value * value;
    p += sizeof<S>();
  }
  return sum;
}

/** The greatest magnitude of n elements; NaN when an element is NaN. */
export function greatestMagnitude<S>(p: usize, n: u32): f64 {
  let greatest: f64 = 0;
  for (let k: usize = 0; k < <usize>n; k++) greatest = max(greatest, abs(load1<S>(p + k * sizeof<S>())));
  return greatest;
}

/**
 * √Σ x² of the finite elements, summed relative to the greatest magnitude.
 * @param greatest greatest magnitude; it is the result when it is 0, NaN or infinite
 */
export function scaledNorm<S>(p: usize, n: u32, greatest: f64): f64 {
  if (greatest == 0 || !isFinite(greatest)) return greatest;
  startSums();
  for (let k: u32 = 0; k < n; k++, p += sizeof<S>()) {
    const x = load1<S>(p);
    if (isFinite(x)) addTo(0, (x / greatest) * (x / greatest));
  }
  return greatest * Math.sqrt(totalOf(0));
}
