import { DTYPE_BYTES, isFloat8 } from '../src/tensor/dtype.ts';
import type { FloatDType } from '../src/tensor/dtype.ts';
import { NarrowTo } from './abi.ts';
import type { KernelMemory } from './place.ts';

/** A gradient in the kernels' memory. */
export interface ComputedGradient {
  rows: number;
  classes: number;
  /** Address of its elements, and their dtype. */
  gradients: number;
  computed: 'float32' | 'float64';
  /** Address of f64 per row: the power of two that its elements must be multiplied by. */
  scales: number;
}

/**
 * Copies a gradient out, rounded to a dtype: (rows, classes) elements.
 * @param into buffer that receives the gradient if it fits; allocation costs more than the copy
 */
export function roundedGradient(
  { bindings, arena }: KernelMemory,
  { rows, classes, gradients, computed, scales }: ComputedGradient,
  dtype: FloatDType,
  into?: ArrayBuffer,
): Uint8Array<ArrayBuffer> {
  const bytes = rows * classes * DTYPE_BYTES[dtype];
  const isScaled = arena.f64(scales, rows).some((scale) => scale !== 1);
  if (dtype === computed && !isScaled) return arena.copyOut(gradients, bytes, into);
  if (dtype === 'float64' || isFloat8(dtype)) {
    throw new RangeError(`a gradient that was computed in ${computed} is not returned in ${dtype}`);
  }
  return arena.temporary(bytes, (narrowed) => {
    const narrow = (first: number, count: number, factor: number): void =>
      bindings.narrow(computed, {
        gradients: gradients + first * classes * DTYPE_BYTES[computed],
        count: count * classes,
        factor,
        to: NarrowTo[dtype],
        out: narrowed + first * classes * DTYPE_BYTES[dtype],
      });
    if (isScaled) arena.f64(scales, rows).forEach((scale, row) => narrow(row, 1, scale));
    else narrow(0, rows, 1);
    return arena.copyOut(narrowed, bytes, into);
  });
}
