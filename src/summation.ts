import { inSteps } from './steps.ts';
import type { Steps } from './steps.ts';

/**
 * Sums in order with Neumaier's compensation: the rounding error of n float64 values does not grow with n. A non-finite
 * term gives the result of IEEE 754, without a NaN from the compensation.
 */
export class CompensatedSum {
  #sum = 0;
  #compensation = 0;

  add(value: number): void {
    const next = this.#sum + value;
    this.#compensation += Math.abs(this.#sum) >= Math.abs(value) ? this.#sum - next + value : value - next + this.#sum;
    this.#sum = next;
  }

  get value(): number {
    return Number.isFinite(this.#sum) ? this.#sum + this.#compensation : this.#sum;
  }
}

/** Σ v / unit. @param unit a power of two, relative to which the sum does not overflow */
export function sumOf(values: Iterable<number>, unit = 1): number {
  const sum = new CompensatedSum();
  for (const value of values) sum.add(value / unit);
  return sum.value;
}

/**
 * √Σ v² without overflow or underflow: squares are relative to a power of two near the greatest magnitude, like nrm2 of
 * BLAS.
 */
export function* euclideanNorm(values: ArrayLike<number>): Steps<number> {
  let greatest = 0;
  yield* inSteps(values.length, (from, to) => {
    for (let k = from; k < to; k++) greatest = Math.max(greatest, Math.abs(values[k]!));
  });
  if (greatest === 0 || !Number.isFinite(greatest)) return greatest;
  const scale = powerOfTwo(greatest);
  const squares = new CompensatedSum();
  yield* inSteps(values.length, (from, to) => {
    for (let k = from; k < to; k++) squares.add((values[k]! / scale) ** 2);
  });
  return scale * Math.sqrt(squares.value);
}

/** A power of two near a positive number, at or below 2^1023: dividing by it loses no digit. */
export function powerOfTwo(value: number): number {
  return 2 ** Math.min(1023, Math.max(-1022, Math.floor(Math.log2(value))));
}
