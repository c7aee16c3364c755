/** Blocks of rows as input of the kernels, their parts in the kernels' memory, and their results. */
import { DTYPE_BYTES, isFloat8 } from '../src/tensor/dtype.ts';
import type { FloatDType, KernelDType } from '../src/tensor/dtype.ts';
import type { ByteSource } from './arena.ts';
import type { RowMasses, RowSurvey } from './bindings.ts';
import type { Transform } from './transform.ts';

/** A block of whole rows. */
export interface KernelBlock {
  dtype: FloatDType;
  classes: number;
  /** (rows, classes) elements of `dtype`, row-major, at any alignment. */
  logits: Uint8Array | ByteSource;
  /** Class to score per row, NO_TARGET or LEFT_OUT. With probabilities the most probable class replaces it. */
  targets: Int32Array;
  transform?: Transform | undefined;
  /** Class probabilities, shaped like the logits. */
  probabilities?: { dtype: FloatDType; data: Uint8Array } | undefined;
  /** Weights of the classes. Every weight is 1 when absent. */
  weights?: Float64Array | undefined;
}

/** Results about class probabilities that need no logits. */
export interface RowProbabilities extends RowMasses {
  /** Most probable class of each row, the lowest index on ties. NO_TARGET and LEFT_OUT are kept. */
  targets: Int32Array<ArrayBuffer>;
}

/** Norms, extremes and counts of the values of a block. */
export interface BlockSurvey extends RowSurvey {
  /**
   * Counts over the rows that are not left out. `exponents` counts finite nonzero values by the exponent field of their
   * float64, ⌊log2 |x|⌋ + 1023, or 0 for float64 subnormals. `zeros` counts zeros.
   */
  exponents: Uint32Array<ArrayBuffer>;
  zeros: number;
}

/**
 * Largest memory, in bytes, that is kept between blocks. A slab of float16 with its gradient in float64 takes about 30
 * MB.
 */
export const KEPT_BYTES = 64 * 2 ** 20;

/** Logits in the kernels' memory. */
export interface PlacedLogits {
  dtype: KernelDType;
  logits: number;
}

/** Bytes of memory per placed element. float8 elements stay in memory beside the bfloat16 copy that the kernels read. */
export function placedBytes(dtype: FloatDType): number {
  return DTYPE_BYTES[dtype] + (isFloat8(dtype) ? DTYPE_BYTES.bfloat16 : 0);
}

/** Addresses of the parts of a block in the kernels' memory, in bytes; 0 for an absent part. */
export interface Placed {
  dtype: KernelDType;
  /** dtype of the logits as received. */
  received: FloatDType;
  classes: number;
  rows: number;
  logits: number;
  /** The logits before the transform. */
  given: PlacedLogits;
  transform: Transform | undefined;
  /** Logits are x = offset + scale·v of the placed values v. */
  scale: number;
  /** Addresses of the columns of RowOffsets and GivenRows; 0 unless softcap is evaluated in float32. */
  offsets: number;
  givenRows: number;
  targets: number;
  results: number;
  weights: number;
  probabilities: number;
  masses: number;
  gradients: number;
  /** Address of f64 per row: the power of two that the elements of its gradient must be multiplied by. */
  scales: number;
}

/** Empty block: no rows, and no part is placed. */
export const NOTHING: Placed = {
  dtype: 'float32',
  received: 'float32',
  classes: 0,
  rows: 0,
  logits: 0,
  given: { dtype: 'float32', logits: 0 },
  transform: undefined,
  scale: 1,
  offsets: 0,
  givenRows: 0,
  targets: 0,
  results: 0,
  weights: 0,
  probabilities: 0,
  masses: 0,
  gradients: 0,
  scales: 0,
};
