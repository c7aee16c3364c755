import type { GradientCoefficients } from '../kernels/bindings.ts';
import type { Kernel } from '../kernels/kernel.ts';
import { DTYPE_BYTES } from '../src/tensor/dtype.ts';
import type { KernelDType } from '../src/tensor/dtype.ts';

const BLOCK_BYTES = 2 ** 21;

export interface Batch {
  dtype: KernelDType;
  /** (labels.length, classes) elements of `dtype`, row-major. */
  logits: Buffer<ArrayBuffer>;
  classes: number;
  labels: Int32Array<ArrayBuffer>;
}

/** Places a batch in the kernel's memory block by block, like the service; calls `evaluate` for each block. */
export function forEachBlock(
  kernel: Kernel,
  { dtype, logits, classes, labels }: Batch,
  evaluate: (firstRow: number, rows: number) => void,
): void {
  const rowBytes = classes * DTYPE_BYTES[dtype];
  const rowsPerBlock = Math.floor(BLOCK_BYTES / rowBytes);
  for (let row = 0; row < labels.length; row += rowsPerBlock) {
    const end = Math.min(row + rowsPerBlock, labels.length);
    const block = logits.subarray(row * rowBytes, end * rowBytes);
    kernel.place({ dtype, logits: block, classes, targets: labels.subarray(row, end) });
    evaluate(row, end - row);
  }
}

/** −log softmax at each row's label. */
export function kernelNll(kernel: Kernel, batch: Batch): Float64Array {
  const nll = new Float64Array(batch.labels.length);
  forEachBlock(kernel, batch, (row) => nll.set(kernel.forward().nll, row));
  return nll;
}

/** Coefficients of the gradient of `t`·Σ_rows nll. */
export function plainCoefficients(rows: number, t: number): GradientCoefficients {
  return { t: new Float64Array(rows).fill(t), b: new Float64Array(rows), z: new Float64Array(rows) };
}
