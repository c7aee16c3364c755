import { LEFT_OUT } from '../../kernels/loader.ts';
import type { Options } from './options.ts';
import { CompensatedSum } from './summation.ts';
import type { Targets } from './targets.ts';

/** The sums of a batch. All in float64, over counted rows in row order. */
export interface Reduction {
  /** N = Σ m·ℓ */
  numerator: number;
  /** D = Σ m, raw: without what `semantics` adds to it */
  denominator: number;
  /** Absent with `reduction: "none"` and with `calculate_per_token_loss`. */
  loss: number | undefined;
  /** Σ m·nll / Σ m: NaN when nothing is counted */
  meanNll: number;
  /** Whether every counted row's loss is finite. */
  rowsFinite: boolean;
  /** m·ℓ per row, 0 where not counted; only when asked for. */
  perTokenLoss: Float64Array | undefined;
}

/**
 * Reduces row losses. The order is that of the rows, and the summation compensated, so the bits do not depend on how
 * the batch was cut into blocks.
 * @param nll −log softmax at the target, per row
 */
export function reduceRows(nll: Float64Array, targets: Targets, options: Options): Reduction {
  const numerator = new CompensatedSum();
  const denominator = new CompensatedSum();
  const wantsRows = options.reduction === 'none' || options.outputs.includes('per_token_loss');
  const perTokenLoss = wantsRows ? new Float64Array(nll.length) : undefined;
  let rowsFinite = true;
  for (let row = 0; row < nll.length; row++) {
    if (targets.classes[row] === LEFT_OUT) continue;
    const m = targets.weights === undefined ? 1 : targets.weights[row]!;
    const loss = m * nll[row]!;
    numerator.add(loss);
    denominator.add(m);
    if (!Number.isFinite(nll[row]!)) rowsFinite = false;
    if (perTokenLoss !== undefined) perTokenLoss[row] = loss;
  }
  const N = numerator.value;
  const D = denominator.value;
  return {
    numerator: N,
    denominator: D,
    loss: formLoss(N, D, options),
    meanNll: N / D,
    rowsFinite,
    perTokenLoss,
  };
}

function formLoss(N: number, D: number, options: Options): number | undefined {
  if (options.calculate_per_token_loss || options.reduction === 'none') return undefined;
  if (options.reduction === 'sum') return N;
  switch (options.semantics) {
    case 'mindformers':
      return N / (D + 1e-8);
    case 'torch':
      return N / D;
    case 'megatron':
      return N / Math.max(D, 1);
  }
}
