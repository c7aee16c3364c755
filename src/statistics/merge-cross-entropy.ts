import { LEFT_OUT } from '../../kernels/abi.ts';
import type { Shards } from './statistic.ts';

/** Parts of a cross-entropy Σ_c v_c·p_c·(lse − x_c) over shards. k is the index of a shard. */
interface Merging<Columns> {
  /** Column of a shard. */
  readonly termOf: (columns: Columns) => Float64Array;
  /** Σ_c v_c·p_c of a row within a shard, in the unit of its column. */
  readonly massOf: (k: number, row: number) => number;
  /** Unit of the column of a shard relative to the unit of the merged one: a power of two. */
  readonly shareOf?: (k: number) => number;
}

/**
 * Σ_k [Σ_c v_c·p_c·(lse_k − x_c) + (lse − lse_k)·Σ_c v_c·p_c]. For a shard that is −Inf throughout, the column has the
 * whole term Σ_c v_c·p_c·∞. The mass Σ_c v_c·p_c would not suffice: it can also be 0 for values of both signs.
 */
export function mergeCrossEntropy<Columns extends { reference: Float64Array }>(
  { parts, sharded, labels }: Shards<Columns>,
  { termOf, massOf, shareOf = () => 1 }: Merging<Columns>,
): Float64Array<ArrayBuffer> {
  return sharded.lse.map((lse, row) => {
    if (labels[row] === LEFT_OUT) return 0;
    if (!Number.isFinite(lse)) return Number.NaN;
    return parts.reduce((sum, { columns }, k) => {
      const share = shareOf(k);
      const term = termOf(columns)[row]! * share;
      if (columns.reference[row] === -Infinity) return sum + term;
      const mass = massOf(k, row);
      return mass === 0 ? sum + term : sum + term + mass * sharded.growth(row, k, 1 / share);
    }, 0);
  });
}
