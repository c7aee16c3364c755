import type { ReproducedBy } from '../../contract/disagreement.ts';
import { isDeclared, nearestOf } from '../../loss/declared.ts';
import type { Candidate } from '../../loss/declared.ts';
import { lossOfBatch, relativeDifference } from '../batch-facts.ts';
import { MOST_RANKS, nameRanks } from './finding.ts';
import type { Finding } from './finding.ts';
import type { BatchSums, StepSums } from './step-sums.ts';

/** A loss that a rank declared. */
export interface DeclaredLoss {
  rank: number;
  declared: number;
}

/**
 * Finds declared losses that equal neither the mean over the tokens of the step, nor the mean over the tokens of their
 * rank. Ranks with the same `reproduced_by` are one finding, with the losses of the first of these ranks.
 */
export function declaredLosses(sums: StepSums, declared: readonly DeclaredLoss[]): Finding[] {
  // Computed once for all ranks, because it takes time proportional to their number.
  const { meanOfRankMeans } = sums;
  const found = new Map<ReproducedBy | null, Finding & { ranks: number[] }>();
  for (const { rank, declared: loss } of declared) {
    const own = sums.ranks.get(rank);
    // A rank without batches has no sums.
    if (own === undefined || isAgreed(loss, own, sums.all)) continue;
    const by = nearestOf(loss, candidatesOf(sums, own, meanOfRankMeans)) ?? null;
    const known = found.get(by);
    if (known !== undefined) {
      known.ranks.push(rank);
      continue;
    }
    const recorded = own.total.loss;
    found.set(by, {
      kind: 'declared_loss_differs',
      ranks: [rank],
      declared: loss,
      recorded,
      relative_difference: relativeDifference(recorded, loss),
      reproduced_by: by,
      summary: '',
    });
  }
  return [...found.values()].map((finding) => ({
    ...finding,
    ranks: finding.ranks.slice(0, MOST_RANKS),
    summary: summaryOf(finding),
  }));
}

function isAgreed(declared: number, own: BatchSums, all: BatchSums): boolean {
  // Without counted tokens, a trainer may declare 0. It may also declare NaN, which equals the recorded NaN.
  if (declared === 0 && own.counted === 0) return true;
  return isDeclared(declared, own.total.loss) || isDeclared(declared, all.total.loss);
}

/** Ways to compute a loss of a rank from the batches of a step. When several give the same loss, the first is named. */
function* candidatesOf(sums: StepSums, own: BatchSums, meanOfRankMeans: number): Generator<Candidate<ReproducedBy>> {
  const { all } = sums;
  const [step, rank] = [all.total, own.total];
  yield ['mean_of_means', all.meanOfMeans];
  yield ['rank_mean_of_means', own.meanOfMeans];
  yield ['mean_of_rank_means', meanOfRankMeans];
  yield ['sum', step.numerator];
  yield ['rank_sum', rank.numerator];
  yield ['sum_of_means', all.sumOfMeans];
  yield ['rank_sum_of_means', own.sumOfMeans];
  if (own.last !== undefined) yield ['last_micro_batch', lossOfBatch(own.last)];
  if (own.first !== undefined) yield ['first_micro_batch', lossOfBatch(own.first)];
  yield ['divided_by_micro_batches', rank.loss / own.counted];
  yield ['divided_by_micro_batches', step.loss / own.counted];
  yield ['divided_by_ranks', step.loss / sums.ranks.size];
  yield ['divided_by_ranks', rank.loss / sums.ranks.size];
  yield ['times_ranks', step.loss * sums.ranks.size];
  yield ['rank_share', rank.numerator / step.denominator];
  for (const { loss } of [step, rank]) {
    yield ['bits_per_token', loss / Math.LN2];
    yield ['perplexity', Math.exp(loss)];
  }
}

/** Explanation of a declared loss, by the way that reproduces it. */
const MEANINGS: Readonly<Record<ReproducedBy, string>> = {
  mean_of_means:
    'is the mean of the means of all micro-batches, which weights the tokens of small micro-batches more than others',
  rank_mean_of_means:
    'is the mean of the means of the micro-batches of the rank, which weights the tokens of small micro-batches more than others',
  mean_of_rank_means:
    'is the mean of the means of the ranks, which weights the tokens of ranks with few tokens more than others',
  sum: 'is the sum over the tokens of the step, not their mean',
  rank_sum: 'is the sum over the tokens of the rank, not their mean',
  sum_of_means: 'is the sum of the means of all micro-batches, without a division by their number',
  rank_sum_of_means: 'is the sum of the means of the micro-batches of the rank, without a division by their number',
  last_micro_batch: 'is the loss of the last micro-batch of the rank alone',
  first_micro_batch: 'is the loss of the first micro-batch of the rank alone',
  divided_by_micro_batches: 'is the mean divided once more by the number of micro-batches',
  divided_by_ranks: 'is the mean divided once more by the number of ranks',
  times_ranks: 'is the mean times the number of ranks: a sum over the ranks that was not divided',
  rank_share: 'is the sum over the tokens of the rank, divided by the tokens of all ranks',
  bits_per_token: 'is in bits, not in nats',
  perplexity: 'is the perplexity, not the loss',
};

function summaryOf({ ranks, declared, recorded, reproduced_by: by }: Finding): string {
  const meaning = by === null || by === undefined ? 'matches no known way of averaging' : MEANINGS[by];
  return `${nameRanks(ranks)} declared the loss ${declared}, but recorded ${recorded}: the declared loss ${meaning}`;
}
