/** Columns with which a loss can be computed in other ways than its options say. */
import { transformed } from '../../kernels/transform.ts';
import type { Transform } from '../../kernels/transform.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import { LEFT_OUT } from '../../kernels/abi.ts';
import type { FloatDType } from '../tensor/dtype.ts';
import { numberReader } from '../tensor/tensor.ts';

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

/** Logits of a block that a kernel has evaluated. */
interface EvaluatedLogits {
  dtype: FloatDType;
  classes: number;
  transform: Transform | undefined;
  /** Elements of the logits; undefined where they come from a file. */
  logits: Uint8Array | undefined;
  /** Log-sum-exp of each row. */
  lse: F64;
}

/** Columns of the block that was placed last. */
export function alternativeColumns(
  kernel: Kernel,
  others: OtherTargets,
  { dtype, classes, transform, logits, lse }: EvaluatedLogits,
): AlternativeColumns {
  const numberAt = logits === undefined ? () => Number.NaN : numberReader({ dtype, shape: [], data: logits });
  const nllAt = (column: I32 | undefined): F64 =>
    lse.map((sum, row) => {
      const target = column?.[row] ?? LEFT_OUT;
      if (target < 0) return 0;
      const logit = numberAt(row * classes + target);
      return sum - (transform === undefined ? logit : transformed(logit, transform));
    });
  return {
    lseOfAll: lse.slice(),
    uniformOfAll: kernel.uniformNll(),
    nllEarlier: nllAt(others.earlier),
    nllLater: nllAt(others.later),
  };
}
