import { NO_TARGET } from '../../kernels/loader.ts';
import type { RowBlock } from '../../kernels/loader.ts';

/**
 * Merges what a kernel said of the same rows over shards of the vocabulary. With growth_k = lse − lse_k ≥ 0, which is
 * log(1 + Σ_{j≠k} exp(lse_j − lse_k)), a target's nll grows from its shard's to the whole vocabulary's, and a confident
 * row keeps its relative accuracy. A shard that is −Inf throughout merges as nothing.
 * @param shards of the vocabulary, in order: all about the same rows
 * @param targets per shard the class of each row within it, NO_TARGET where it is in another, or LEFT_OUT
 */
export function mergeShards(shards: readonly RowBlock[], targets: readonly Int32Array[]): RowBlock {
  const rows = shards[0]!.lse.length;
  const merged: RowBlock = {
    lse: new Float64Array(rows),
    targetLogit: new Float64Array(rows),
    nll: new Float64Array(rows),
    nanCount: new Int32Array(rows),
    posInfCount: new Int32Array(rows),
    negInfCount: new Int32Array(rows),
  };
  for (let row = 0; row < rows; row++) {
    for (const shard of shards) {
      merged.nanCount[row]! += shard.nanCount[row]!;
      merged.posInfCount[row]! += shard.posInfCount[row]!;
      merged.negInfCount[row]! += shard.negInfCount[row]!;
    }
    const lses = shards.map((shard) => shard.lse[row]!);
    merged.lse[row] = logSumExp(lses);
    const own = targets.findIndex((of) => of[row]! > NO_TARGET);
    if (own < 0) continue;
    const x = shards[own]!.targetLogit[row]!;
    merged.targetLogit[row] = x;
    merged.nll[row] = targetNll(x, shards[own]!.nll[row]!, merged.lse[row]!, growth(lses, own));
  }
  return merged;
}

/** NaN with a NaN among them, +Inf with a +Inf, −Inf when all are. */
export function logSumExp(lses: readonly number[]): number {
  const top = Math.max(...lses);
  return Number.isFinite(top) ? top + Math.log1p(sumOfOthers(lses, lses.indexOf(top))) : top;
}

/** lse − lse_k of the whole over the k-th part; +Inf for a part that is −Inf. */
export function growth(lses: readonly number[], k: number): number {
  // Beyond 700 an exponential could overflow, and what cancels is nothing beside the difference.
  const top = Math.max(...lses);
  return top - lses[k]! > 700 ? logSumExp(lses) - lses[k]! : Math.log1p(sumOfOthers(lses, k));
}

/** Σ_{j≠k} exp(lse_j − lse_k) */
function sumOfOthers(lses: readonly number[], k: number): number {
  return lses.reduce((sum, lse, j) => (j === k ? sum : sum + Math.exp(lse - lses[k]!)), 0);
}

/** nll of a target from that within its part: by the rules for a whole row, see assembly/row.ts. */
function targetNll(x: number, nllOfPart: number, lse: number, grown: number): number {
  if (!Number.isFinite(lse)) return Number.NaN;
  return x === -Infinity ? Infinity : nllOfPart + grown;
}
