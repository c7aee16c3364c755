/** Sums of a step and of its ranks, which the order of the batches does not change. */
import { ExactSum } from '../../exact-sum.ts';
import { lossOfBatch } from '../batch-facts.ts';
import type { BatchFact } from '../batch-facts.ts';
import { PairSum } from '../step.ts';
import type { Quotient } from '../step.ts';

/** Sums of some batches. */
export class BatchSums {
  readonly #pair = PairSum.of();
  readonly #means = ExactSum.of();
  /** Batches in which something is counted. */
  counted = 0;
  /** The first and the last of them in their order. */
  first: BatchFact | undefined;
  last: BatchFact | undefined;

  add(batch: BatchFact): void {
    this.#pair.add(batch);
    if (batch.denominator === 0) return;
    this.#means.add(lossOfBatch(batch));
    this.counted++;
    this.first ??= batch;
    this.last = batch;
  }

  /** Their numerators and denominators: the mean over their tokens. */
  get total(): Quotient {
    return this.#pair.value;
  }

  /** Sum of the means of the batches, rounded once. */
  get sumOfMeans(): number {
    return this.#means.value;
  }

  /** Mean of the means of the batches: NaN without any. */
  get meanOfMeans(): number {
    return this.#means.value / this.counted;
  }
}

/** Batches of a step, by their ranks. */
export class StepSums {
  readonly all = new BatchSums();
  readonly ranks = new Map<number, BatchSums>();

  add(batch: BatchFact): void {
    this.all.add(batch);
    let rank = this.ranks.get(batch.rank);
    if (rank === undefined) this.ranks.set(batch.rank, (rank = new BatchSums()));
    rank.add(batch);
  }

  /** Ranks in which something is counted, and their mean over tokens. */
  get rankMeans(): [rank: number, loss: number][] {
    return [...this.ranks].filter(([, sums]) => sums.counted > 0).map(([rank, { total }]) => [rank, total.loss]);
  }

  /** Mean of the means of the ranks: NaN without any. */
  get meanOfRankMeans(): number {
    const means = this.rankMeans.map(([, loss]) => loss);
    return ExactSum.of(means).value / means.length;
  }
}
