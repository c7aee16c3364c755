import type { RowBlock } from '../../kernels/bindings.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import type { FloatDType } from '../../src/tensor/dtype.ts';

/** Places a block and evaluates it. */
export function forward(
  kernel: Kernel,
  dtype: FloatDType,
  logits: Uint8Array,
  classes: number,
  targets: Int32Array,
): RowBlock {
  kernel.place({ dtype, classes, logits, targets });
  return kernel.forward();
}
