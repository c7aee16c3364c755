/** Sums of a step and of its ranks, independent of the order of the batches. */
import { ExactSum } from '../../exact-sum.ts';
import { lossOfBatch } from '../batch-facts.ts';
import type { BatchFact } from '../batch-facts.ts';
import { PairSum } from '../step.ts';
import type { Quotient } from '../step.ts';

/** Sums of some batches. */
export class BatchSums {
  readonly #pair = PairSum.of();
  readonly #means = ExactSum.of();
  /** Number of counted batches: batches whose denominator is not 0. */
  counted = 0;
  /** The first and the last counted batch, in the order of addition. */
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

  /** Sums of the numerators and denominators, and their quotient: the mean over the tokens. */
  get total(): Quotient {
    return this.#pair.value;
  }

  /** Sum of the means of the batches, rounded once. */
  get sumOfMeans(): number {
    return this.#means.value;
  }

  /** Mean of the means of the batches; NaN without counted batches. */
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

  /** Ranks with counted batches, each with its mean over tokens. */
  get rankMeans(): [rank: number, loss: number][] {
    return [...this.ranks].filter(([, sums]) => sums.counted > 0).map(([rank, { total }]) => [rank, total.loss]);
  }

  /** Mean of the means of the ranks; NaN without counted batches. */
  get meanOfRankMeans(): number {
    const means = this.rankMeans.map(([, loss]) => loss);
    return ExactSum.of(means).value / means.length;
  }
}
