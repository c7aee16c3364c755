import type { Rerun } from '../api/types.ts';
import { formatCount, formatLoss } from '../format/numbers.ts';

export type Verdict = Rerun['verdict'];

/** Meanings of the verdicts on reruns of a micro-batch, the worst first. */
export const MEANINGS: Record<Verdict, string> = {
  persistent: 'the device gives the same result again, and another device a different one',
  transient: 'the same device gave a different result',
  undetermined: 'the attempts and their devices do not decide it, or the batch was different',
  correct: 'another device gave the same result',
};

const ORDER = Object.keys(MEANINGS) as Verdict[];

/** Number of micro-batches with each verdict, the worst first. */
export function countVerdicts(reruns: readonly Rerun[]): [verdict: Verdict, count: number][] {
  return ORDER.map((verdict): [Verdict, number] => [
    verdict,
    reruns.filter((rerun) => rerun.verdict === verdict).length,
  ]).filter(([, count]) => count > 0);
}

/** Sorts reruns: the worst verdict first, then different bits before the same bits. */
export function worstFirst(reruns: readonly Rerun[]): Rerun[] {
  const rankOf = ({ verdict, same_bits: isSame }: Rerun): number => 2 * ORDER.indexOf(verdict) + Number(isSame);
  return reruns.toSorted((a, b) => rankOf(a) - rankOf(b));
}

/** Describes the results of a micro-batch and their difference. */
export function describeRerun(rerun: Rerun): string {
  const losses = rerun.attempts.map(
    ({ attempt, device, loss }) =>
      `attempt ${attempt}: ${formatLoss(loss)}${device === undefined ? '' : ` on ${device}`}`,
  );
  return [differenceOf(rerun), ...losses].join('; ');
}

function differenceOf(rerun: Rerun): string {
  const { same_bits: isSame, same_labels: hasSameLabels, first_differing_row: row } = rerun;
  if (isSame) return 'same bits';
  if (hasSameLabels === false) return 'different labels';
  const first = row === undefined ? '' : `, first at row ${formatCount(row)}`;
  return `relative difference ${formatLoss(rerun.relative_difference)}${first}`;
}
