import { LEFT_OUT, NO_TARGET } from '../../kernels/loader.ts';
import type { Kernel, Transform } from '../../kernels/loader.ts';
import { findNonFinite } from '../loss/diagnostics.ts';
import type { Findings } from '../loss/diagnostics.ts';
import type { RowColumns, RowFeatures } from '../loss/rows.ts';
import type { FloatDType } from '../tensor/dtype.ts';

/** Consecutive rows of a batch, to be evaluated together. */
export interface Block {
  dtype: FloatDType;
  classes: number;
  /** Per row the class to score, NO_TARGET or LEFT_OUT. */
  targets: Int32Array<ArrayBuffer>;
  /** The block's first row in the batch. */
  firstRow: number;
  features: RowFeatures;
  transform: Transform | undefined;
  /** Weights of the classes, where a feature needs them. */
  classWeights: Float64Array<ArrayBuffer> | undefined;
}

/** What a block's evaluation yields. */
export interface BlockResult {
  columns: RowColumns;
  findings: Findings;
}

/**
 * Evaluates a block: the same on a worker and on the main thread.
 * @param logits (rows, classes) elements, row-major
 */
export function evaluateBlock(kernel: Kernel, block: Block, logits: Uint8Array): BlockResult {
  const { dtype, classes, targets, features, transform, classWeights, firstRow } = block;
  const evaluated = features.everyRow ? targets.map((target) => (target === LEFT_OUT ? NO_TARGET : target)) : targets;
  const rows = kernel.forward(dtype, logits, classes, evaluated, transform);
  const columns: RowColumns = {
    nll: rows.nll,
    ...(features.lse && { lse: rows.lse }),
    ...(features.weightedSum && { weightedSum: kernel.weightedSum(classWeights) }),
    ...(features.entropy && { entropy: kernel.entropy() }),
    ...(features.rank && kernel.rank()),
  };
  return { columns, findings: findNonFinite(kernel, rows, targets, firstRow) };
}
