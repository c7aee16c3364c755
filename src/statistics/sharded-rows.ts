import { NO_TARGET } from '../../kernels/abi.ts';
import type { RowBlock } from '../../kernels/bindings.ts';

/** lse of rows over a shard as reference + logSum, see RowBlock. */
export type ShardSums = Pick<RowBlock, 'reference' | 'logSum'>;

/**
 * Parts of rows over shards of the vocabulary. Let r_k + log S_k be the lse of shard k, and L the shard with the largest lse:
 *   growth_k = lse − lse_k = (r_L − r_k) + (log S_L − log S_k) + log(1 + Σ_{j≠L} exp(lse_j − lse_L)) ≥ 0
 * References are subtracted from references and logarithms from logarithms, so the offset of a row does not round them.
 * The growth converts a sum relative to a shard into a sum relative to the whole row. Its terms do not cancel, so a
 * confident row keeps its relative accuracy. A shard that is −Inf throughout adds nothing.
 */
export class ShardedRows {
  readonly lse: Float64Array<ArrayBuffer>;
  readonly reference: Float64Array<ArrayBuffer>;
  readonly logSum: Float64Array<ArrayBuffer>;
  readonly #shards: readonly ShardSums[];
  /** log S of the largest shard. */
  readonly #largest: Float64Array;
  /** log(1 + Σ_{j≠L} exp(lse_j − lse_L)) */
  readonly #logs: Float64Array;

  constructor(shards: readonly ShardSums[]) {
    const rows = shards[0]!.reference.length;
    this.#shards = shards;
    this.#largest = new Float64Array(rows);
    this.#logs = new Float64Array(rows);
    this.lse = new Float64Array(rows);
    this.reference = new Float64Array(rows);
    this.logSum = new Float64Array(rows);
    for (let row = 0; row < rows; row++) {
      const L = this.#largestOf(row);
      const [reference, logSum] = [shards[L]!.reference[row]!, shards[L]!.logSum[row]!];
      this.reference[row] = reference;
      this.#largest[row] = logSum;
      if (Number.isFinite(reference)) {
        this.#logs[row] = Math.log1p(
          shards.reduce((sum, _, k) => (k === L ? sum : sum + Math.exp(-this.#distance(row, k))), 0),
        );
      }
      this.logSum[row] = logSum + this.#logs[row]!;
      this.lse[row] = reference + this.logSum[row]!;
    }
  }

  /** Index of the shard with the largest lse. A NaN wins, and makes the row NaN. */
  #largestOf(row: number): number {
    let L = 0;
    this.#shards.forEach(({ reference, logSum }, k) => {
      const best = this.#shards[L]!;
      const isLarger = reference[row]! - best.reference[row]! + (logSum[row]! - best.logSum[row]!) > 0;
      if (isLarger || Number.isNaN(reference[row]!)) L = k;
    });
    return L;
  }

  /** (lse_L − lse_k) / unit */
  #distance(row: number, k: number, unit = 1): number {
    const { reference, logSum } = this.#shards[k]!;
    return this.reference[row]! / unit - reference[row]! / unit + (this.#largest[row]! - logSum[row]!) / unit;
  }

  /**
   * (lse − lse_k) / unit; +Inf for a shard that is −Inf.
   * @param unit a power of two: with a unit above 1 the difference of finite references cannot overflow
   */
  growth(row: number, k: number, unit = 1): number {
    return this.#distance(row, k, unit) + this.#logs[row]! / unit;
  }
}

/** Results of the rows of a shard that are merged. */
export type ShardRows = Omit<RowBlock, 'lse'>;

/** Class of each row within the shard [first, first + count); NO_TARGET for a class of another shard. */
export function classesWithin(classes: Int32Array<ArrayBuffer>, first: number, count: number): Int32Array<ArrayBuffer> {
  return classes.map((y) => (y < 0 ? y : y >= first && y < first + count ? y - first : NO_TARGET));
}

/**
 * Merges the results of the same rows over shards of the vocabulary.
 * @param shards results of the same rows, in the order of the shards
 * @param targets for each shard the class of each row within the shard, NO_TARGET for a class of another shard, or LEFT_OUT
 */
export function mergeShards(
  shards: readonly ShardRows[],
  targets: readonly Int32Array[],
  sharded = new ShardedRows(shards),
): RowBlock {
  const rows = sharded.lse.length;
  const merged: RowBlock = {
    lse: sharded.lse,
    reference: sharded.reference,
    logSum: sharded.logSum,
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
      // Follows the rules for a whole row, see assembly/row.ts.
      const x = shard.targetLogit[row]!;
      merged.targetLogit[row] = x;
      if (!Number.isFinite(sharded.lse[row]!)) merged.nll[row] = Number.NaN;
      else merged.nll[row] = x === -Infinity ? Infinity : shard.nll[row]! + sharded.growth(row, k);
    }
  });
  return merged;
}
