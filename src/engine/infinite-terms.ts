import type { RowColumns } from '../statistics/list.ts';
import { DTYPE_BYTES } from '../tensor/dtype.ts';
import { numbersOf } from '../tensor/tensor.ts';
import type { Block } from './block.ts';

/**
 * Replaces the cross-entropies of rows whose logits are all −Inf in a shard by their limit, Σ_c v_c·p_c·∞ with 0·∞ = 0.
 * The kernel's result is NaN, because the shard's lse is −Inf.
 */
export function setInfiniteTerms({ nll, weightedNll, uniformNll }: RowColumns, block: Block, lse: Float64Array): void {
  const { plan, probabilities } = block;
  const { classWeights } = plan;
  const first = lse.indexOf(-Infinity);
  if (first < 0) return;
  const ofWeights = infiniteSum(classWeights ?? Float64Array.of(1));
  for (let row = first; row >= 0; row = lse.indexOf(-Infinity, row + 1)) {
    if (uniformNll !== undefined) uniformNll[row] = ofWeights;
    if (probabilities === undefined) continue;
    const p = probabilitiesOf(block, row);
    nll[row] = infiniteSum(p);
    if (weightedNll !== undefined) weightedNll[row] = infiniteSum(p.map((own, c) => own * classWeights![c]!));
  }
}

/** Σ v·∞ with 0·∞ = 0: infinite with the sign of the values, NaN for values of both signs. */
function infiniteSum(values: Float64Array): number {
  return values.reduce((sum, v) => (v === 0 ? sum : sum + v * Infinity), 0);
}

function probabilitiesOf({ plan: { classes }, probabilities }: Block, row: number): Float64Array {
  const { dtype, data } = probabilities!;
  const rowBytes = classes * DTYPE_BYTES[dtype];
  return numbersOf({ dtype, shape: [classes], data: data.subarray(row * rowBytes, (row + 1) * rowBytes) });
}
