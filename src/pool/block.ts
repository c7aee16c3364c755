import type { Kernel } from '../../kernels/loader.ts';
import { findNonFinite } from '../loss/diagnostics.ts';
import type { Findings } from '../loss/diagnostics.ts';
import type { FloatDType } from '../tensor/dtype.ts';

/** Consecutive rows of a batch, to be evaluated together. */
export interface Block {
  dtype: FloatDType;
  classes: number;
  /** Per row the class to score, NO_TARGET or LEFT_OUT. */
  targets: Int32Array<ArrayBuffer>;
  /** The block's first row in the batch. */
  firstRow: number;
}

/** What a block's evaluation yields. */
export interface BlockResult {
  /** −log softmax at the target, per row. */
  nll: Float64Array<ArrayBuffer>;
  findings: Findings;
}

/**
 * Evaluates a block: the same on a worker and on the main thread.
 * @param logits (rows, classes) elements, row-major
 */
export function evaluateBlock(kernel: Kernel, block: Block, logits: Uint8Array): BlockResult {
  const rows = kernel.forward(block.dtype, logits, block.classes, block.targets);
  return { nll: rows.nll, findings: findNonFinite(kernel, rows, block.targets, block.classes, block.firstRow) };
}
