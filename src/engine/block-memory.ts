import { KEPT_BYTES, placedBytes } from '../../kernels/block.ts';
import { pairBytes } from '../../kernels/pair.ts';
import type { RowFormat } from '../../kernels/quantised.ts';
import { topKBytes } from '../../kernels/top-k.ts';
import { evaluatedDType, isInPlace } from '../../kernels/transform.ts';
import { DTYPE_BYTES } from '../tensor/dtype.ts';
import type { Block } from './block.ts';
import { postedBytesOf } from './compared-rows.ts';

/** Kernel memory of a row's sums, counts and coefficients, in bytes. */
const KERNEL_BYTES_PER_ROW = 256;

/** Bytes of a row's results for one of its shards, outside the kernel memory. */
const BYTES_PER_SHARD_OF_ROW = 64;

/** Kernel memory for rows of a block, beyond the memory that a worker always keeps. */
export function kernelBytesBeside(block: Block, rows: number): number {
  const { plan, probabilities, coefficients } = block;
  if (plan.comparison !== undefined) return comparedBytes(block, rows);
  const { dtype, classes, transform, gradientDType, classWeights, shards, badInColumn } = plan;
  const computed = evaluatedDType(dtype, transform) === 'float64' ? 8 : 4;
  const bytesPerLogit =
    placedBytes(dtype) +
    (isInPlace(dtype, transform) ? 0 : computed) +
    (probabilities === undefined ? 0 : 8 + placedBytes(probabilities.dtype)) +
    (coefficients === undefined ? 0 : computed) +
    // The gradient in its dtype, plus its copy.
    (gradientDType === undefined ? 0 : 2 * DTYPE_BYTES[gradientDType]);
  const counts = badInColumn !== undefined ? 4 * classes : 0;
  const weights = classWeights === undefined ? 0 : 8 * classes;
  // A row whose softcap is flat is ranked in float64.
  const ranked = transform?.cap !== undefined && computed === 4 ? 8 * classes : 0;
  const inKernel = rows * (classes * bytesPerLogit + KERNEL_BYTES_PER_ROW) + counts + weights + ranked;
  const posted = probabilities === undefined ? 0 : rows * classes * DTYPE_BYTES[probabilities.dtype];
  const beforeMerge = shards === 1 ? 0 : rows * shards * BYTES_PER_SHARD_OF_ROW;
  return Math.max(0, inKernel - KEPT_BYTES) + posted + beforeMerge;
}

/** Kernel memory for rows of a comparison, beyond the memory that a worker always keeps. */
function comparedBytes({ plan, compared }: Block, rows: number): number {
  const { dtype, classes, gradientDType, comparison } = plan;
  const { scale, streamed } = comparison!;
  const { beside, top } = compared!;
  const inKernel =
    top === undefined ? pairOf(beside!.format) : topKBytes(rows, { classes, logits: dtype, gradientDType });
  return Math.max(0, inKernel - KEPT_BYTES) + postedBytesOf(compared!, rows);

  function pairOf(other: RowFormat): number {
    const [logits, reference] = streamed === 'logits' ? [dtype, other] : [other, dtype];
    return pairBytes({ rows, classes, logits, reference, scale, gradientDType });
  }
}
