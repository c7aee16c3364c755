import { NO_TARGET } from '../../kernels/loader.ts';
import type { RowBlock } from '../../kernels/loader.ts';

/**
 * The parts of rows over shards of the vocabulary, by their lse. A shard that is −Inf throughout is as good as none.
 *   lse = top + log(1 + Σ_{j≠argmax} exp(lse_j − top)),  growth_k = lse − lse_k = (top − lse_k) + the same logarithm ≥ 0
 * What is relative to a shard's lse becomes relative to that of the whole by growing, in which nothing cancels: a
 * confident row keeps its relative accuracy.
 */
export class ShardedRows {
  readonly lse: Float64Array<ArrayBuffer>;
  readonly #shards: readonly Float64Array[];
  readonly #tops: Float64Array;
  readonly #logs: Float64Array;

  /** @param shards per shard the lse of each row */
  constructor(shards: readonly Float64Array[]) {
    const rows = shards[0]!.length;
    this.#shards = shards;
    this.#tops = new Float64Array(rows);
    this.#logs = new Float64Array(rows);
    this.lse = new Float64Array(rows);
    for (let row = 0; row < rows; row++) {
      let largest = 0;
      shards.forEach((lse, k) => {
        // A NaN is kept, and makes the row one.
        if (lse[row]! > shards[largest]![row]! || Number.isNaN(lse[row]!)) largest = k;
      });
      const top = shards[largest]![row]!;
      this.#tops[row] = top;
      if (Number.isFinite(top)) {
        this.#logs[row] = Math.log1p(
          shards.reduce((sum, lse, k) => (k === largest ? sum : sum + Math.exp(lse[row]! - top)), 0),
        );
      }
      this.lse[row] = top + this.#logs[row]!;
    }
  }

  /** lse − lse_k; +Inf for a shard that is −Inf. */
  growth(row: number, k: number): number {
    return this.#tops[row]! - this.#shards[k]![row]! + this.#logs[row]!;
  }
}

/** The class of each row within the shard [first, first + count); NO_TARGET where it is in another. */
export function classesWithin(classes: Int32Array<ArrayBuffer>, first: number, count: number): Int32Array<ArrayBuffer> {
  return classes.map((y) => (y < 0 ? y : y >= first && y < first + count ? y - first : NO_TARGET));
}

/**
 * Merges what a kernel said of the same rows over shards of the vocabulary.
 * @param shards of the vocabulary, in order: all about the same rows
 * @param targets per shard the class of each row within it, NO_TARGET where it is in another, or LEFT_OUT
 */
export function mergeShards(
  shards: readonly RowBlock[],
  targets: readonly Int32Array[],
  sharded = new ShardedRows(shards.map(({ lse }) => lse)),
): RowBlock {
  const rows = sharded.lse.length;
  const merged: RowBlock = {
    lse: sharded.lse,
    targetLogit: new Float64Array(rows),
    nll: new Float64Array(rows),
    maximum: new Float64Array(rows).fill(-Infinity),
    nanCount: new Int32Array(rows),
    posInfCount: new Int32Array(rows),
    negInfCount: new Int32Array(rows),
  };
  shards.forEach((shard, k) => {
    for (let row = 0; row < rows; row++) {
      merged.maximum[row] = Math.max(merged.maximum[row]!, shard.maximum[row]!);
      merged.nanCount[row]! += shard.nanCount[row]!;
      merged.posInfCount[row]! += shard.posInfCount[row]!;
      merged.negInfCount[row]! += shard.negInfCount[row]!;
      if (targets[k]![row]! <= NO_TARGET) continue;
      // By the rules for a whole row, see assembly/row.ts.
      const x = shard.targetLogit[row]!;
      merged.targetLogit[row] = x;
      if (!Number.isFinite(sharded.lse[row]!)) merged.nll[row] = Number.NaN;
      else merged.nll[row] = x === -Infinity ? Infinity : shard.nll[row]! + sharded.growth(row, k);
    }
  });
  return merged;
}
