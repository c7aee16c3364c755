/** Columns from which a loss can be computed with other options, such as another shift. */
import { transformed } from '../../kernels/transform.ts';
import type { KernelBlock } from '../../kernels/block.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import { LEFT_OUT, NO_TARGET } from '../../kernels/abi.ts';
import type { ByteSource } from '../../kernels/arena.ts';
import { numberReader } from '../tensor/tensor.ts';

type F64 = Float64Array<ArrayBuffer>;
type I32 = Int32Array<ArrayBuffer>;

/** Other targets of the rows: classes, or LEFT_OUT. */
export interface OtherTargets {
  /** Targets for a shift by one position less; undefined if there is no such shift. */
  earlier: I32 | undefined;
  /** Targets for a shift by one position more. */
  later: I32;
}

/** Columns of all rows, including rows that are left out. */
export interface AlternativeColumns {
  lseOfAll: F64;
  /** Σ_c (lse − x_c) / classUnit, with the class weights of the kernel. */
  uniformOfAll: F64;
  /** −log softmax at the other targets; 0 for a row without one. */
  nllEarlier: F64;
  nllLater: F64;
}

export const makeAlternativeColumns = (rows: number): AlternativeColumns => ({
  lseOfAll: new Float64Array(rows),
  uniformOfAll: new Float64Array(rows),
  nllEarlier: new Float64Array(rows),
  nllLater: new Float64Array(rows),
});

export const cutOtherTargets = ({ earlier, later }: OtherTargets, from: number, end: number): OtherTargets => ({
  earlier: earlier?.slice(from, end),
  later: later.slice(from, end),
});

/** Parts of a block whose rows are evaluated. */
interface AlternativeRows {
  plan: Pick<KernelBlock, 'dtype' | 'classes' | 'transform'> & { classWeights: Float64Array | undefined };
  targets: I32;
  logits: Uint8Array | ByteSource;
}

/**
 * Evaluates all rows in a separate pass, so that the results of the options are the same as without it. Places the rows in
 * the kernel. Logits from a file are not read twice: their columns are NaN.
 */
export function alternativeColumns(
  kernel: Kernel,
  others: OtherTargets,
  { plan: { dtype, classes, transform, classWeights: weights }, targets, logits }: AlternativeRows,
): AlternativeColumns {
  const rows = targets.length;
  if (!(logits instanceof Uint8Array)) {
    const unknown = new Float64Array(rows).fill(Number.NaN);
    return { lseOfAll: unknown, uniformOfAll: unknown, nllEarlier: unknown, nllLater: unknown };
  }
  const everyRow = targets.map(() => NO_TARGET);
  kernel.place({ dtype, classes, logits, targets: everyRow, transform, probabilities: undefined, weights });
  const { lse } = kernel.forward();
  const numberAt = numberReader({ dtype, shape: [], data: logits });
  const nllAt = (column: I32 | undefined): F64 =>
    lse.map((sum, row) => {
      const target = column?.[row] ?? LEFT_OUT;
      if (target < 0) return 0;
      const logit = numberAt(row * classes + target);
      return sum - (transform === undefined ? logit : transformed(logit, transform));
    });
  return {
    lseOfAll: lse,
    uniformOfAll: kernel.uniformNll(),
    nllEarlier: nllAt(others.earlier),
    nllLater: nllAt(others.later),
  };
}
