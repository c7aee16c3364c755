/** Columns with which a loss can be computed in other ways than its options say. */
import { transformed } from '../../kernels/transform.ts';
import type { RowBlock } from '../../kernels/bindings.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import { LEFT_OUT } from '../../kernels/abi.ts';
import { numberReader } from '../tensor/tensor.ts';
import type { Block } from './block.ts';

type F64 = Float64Array<ArrayBuffer>;
type I32 = Int32Array<ArrayBuffer>;

/** Other targets of the rows: classes, or LEFT_OUT. */
export interface OtherTargets {
  /** Targets of the shift by one position less; undefined without one. */
  earlier: I32 | undefined;
  /** Targets of the shift by one position more. */
  later: I32;
}

/** Columns of all rows, those that are left out too. */
export interface AlternativeColumns {
  lseOfAll: F64;
  /** Σ_c (lse − x_c) / classUnit, with the class weights of the kernel. */
  uniformOfAll: F64;
  /** −log softmax at the other targets; 0 without one. NaN where the logits come from a file. */
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

/** @param logits of the placed block @param lse of each row that was placed with a target, or without one */
export function alternativeColumns(
  kernel: Kernel,
  { plan, others, targets }: Block,
  logits: unknown,
  { lse }: Pick<RowBlock, 'lse'>,
): AlternativeColumns {
  const { dtype, classes, transform } = plan;
  const numberAt = logits instanceof Uint8Array ? numberReader({ dtype, shape: [], data: logits }) : () => Number.NaN;
  const nllAt = (column: I32 | undefined): F64 =>
    Float64Array.from(targets, (_, row) => {
      const target = column?.[row] ?? LEFT_OUT;
      if (target < 0) return 0;
      const logit = numberAt(row * classes + target);
      return lse[row]! - (transform === undefined ? logit : transformed(logit, transform));
    });
  return {
    lseOfAll: lse.slice(),
    uniformOfAll: kernel.uniformNll(),
    nllEarlier: nllAt(others!.earlier),
    nllLater: nllAt(others!.later),
  };
}
