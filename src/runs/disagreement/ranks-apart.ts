import type { ExplainedBy } from '../../contract/disagreement.ts';
import { MAD_TO_DEVIATION, SPIKE_RULE, medianOf } from '../../loss/spike.ts';
import { nameRanks } from './finding.ts';
import type { Finding } from './finding.ts';
import type { StepSums } from './step-sums.ts';

/** Least number of ranks that are compared: among fewer ranks, an outlier is ambiguous. */
const LEAST_RANKS = 4;

/** Deviations from the median within which a loss is ordinary. */
const USUAL_DEVIATIONS = 2;

/**
 * Ranks whose loss is farther from the median of all ranks than 6 · max(1.4826 · MAD, floor · |median|), above or below.
 * The floor is max(0.01, 1 / √D), where D is the number of tokens of the rank: chance moves the mean over few tokens. It is
 * 0.01 when the numbers of tokens are unknown.
 */
export function ranksApart(sums: StepSums): Finding[] {
  const means = sums.rankMeans.filter(([, loss]) => Number.isFinite(loss));
  if (means.length < LEAST_RANKS) return [];
  const median = middleOf(means.map(([, loss]) => loss));
  const deviation = MAD_TO_DEVIATION * middleOf(means.map(([, loss]) => Math.abs(loss - median)));
  const usual = {
    denominator: middleOf([...sums.ranks.values()].map(({ total }) => total.denominator)),
    counted: middleOf([...sums.ranks.values()].map(({ counted }) => counted)),
  };
  /** Deviation of a mean over a number of tokens. */
  const deviationOf = (denominator: number): number =>
    Math.max(deviation, shareOf(denominator, usual.denominator) * Math.abs(median));
  return means.flatMap(([rank, loss]): Finding[] => {
    const { denominator } = sums.ranks.get(rank)!.total;
    const most = SPIKE_RULE.deviations * deviationOf(denominator);
    if (Math.abs(loss - median) <= most) return [];
    const near = USUAL_DEVIATIONS * deviationOf(usual.denominator);
    const explained = explain(loss, { denominator, usual, isUsual: (one) => Math.abs(one - median) <= near });
    const because = explained === undefined ? '' : `; the loss of the rank is probably ${MEANINGS[explained]}`;
    const finding: Finding = {
      kind: 'rank_apart',
      ranks: [rank],
      loss,
      median,
      tolerance: most,
      explained_by: explained ?? null,
      summary: `${nameRanks([rank])} has the loss ${loss}, the median of ${means.length} ranks is ${median}${because}`,
    };
    return [finding];
  });
}

/** Share of |median| by which chance may move a mean over some tokens. @param usual median denominator of the ranks */
function shareOf(denominator: number, usual: number): number {
  // With denominators of 1, numerators are means already, and the numbers of tokens are unknown.
  return usual <= 1 ? SPIKE_RULE.floor : Math.max(SPIKE_RULE.floor, 1 / Math.sqrt(Math.max(denominator, 1)));
}

const MEANINGS: Readonly<Record<ExplainedBy, string>> = {
  sum: 'a sum over tokens instead of their mean',
  sum_of_means: 'a sum of means of micro-batches, without a division by their number',
  divided_by_micro_batches: 'a mean that was divided once more by the number of micro-batches',
  divided_by_denominator: 'a mean that was divided once more by the number of tokens',
};

/** Wrong normalisation whose reversal makes a loss ordinary among the ranks; undefined when there is none. */
function explain(
  loss: number,
  {
    denominator,
    usual,
    isUsual,
  }: {
    denominator: number;
    usual: { denominator: number; counted: number };
    isUsual: (loss: number) => boolean;
  },
): ExplainedBy | undefined {
  const tokens = Math.max(denominator, usual.denominator);
  const candidates: (readonly [ExplainedBy, number, number])[] = [
    ['sum', loss / tokens, tokens],
    ['sum_of_means', loss / usual.counted, usual.counted],
    ['divided_by_micro_batches', loss * usual.counted, usual.counted],
    ['divided_by_denominator', loss * tokens, tokens],
  ];
  return candidates.find(([, one, factor]) => factor > 1 && isUsual(one))?.[0];
}

const middleOf = (values: readonly number[]): number => medianOf(values.toSorted((a, b) => a - b));
