/** Comparison of the batches of a step with each other, and with the losses that their trainers declared. */
import type { Normalisation } from '../../contract/disagreement.ts';
import { relativeDifference } from '../batch-facts.ts';
import type { BatchFacts, PlaceInStep, StepOfAttempt } from '../batch-facts.ts';
import { declaredLosses } from './declared-losses.ts';
import type { DeclaredLoss } from './declared-losses.ts';
import type { Finding } from './finding.ts';
import { ranksApart } from './ranks-apart.ts';
import { SameContent } from './same-content.ts';
import { StepSums } from './step-sums.ts';

/** Most micro-batches of a step that is judged. */
const MOST_JUDGED = 100_000;

/** Rows per read: other calls run between two reads. */
const ROWS_AT_ONCE = 1000;

/** Most findings of a step. */
const MOST_FINDINGS = 100;

export interface StepJudgement {
  normalisation: Normalisation;
  findings: Finding[];
}

/** Judges a step. Resolves to undefined for a step without batches or with more than MOST_JUDGED batches. */
export async function judgeStep(facts: BatchFacts, at: StepOfAttempt): Promise<StepJudgement | undefined> {
  const sums = new StepSums();
  const content = new SameContent();
  let count = 0;
  for (let from: PlaceInStep | undefined = { rank: 0, microBatch: 0 }; from !== undefined;) {
    const batches = await facts.batches(at, from, ROWS_AT_ONCE);
    for (const batch of batches) {
      sums.add(batch);
      content.add(batch);
    }
    count += batches.length;
    if (count > MOST_JUDGED) return undefined;
    const last = batches.length < ROWS_AT_ONCE ? undefined : batches.at(-1)!;
    from = last && { rank: last.rank, microBatch: last.microBatch + 1 };
  }
  if (count === 0) return undefined;
  const findings = [
    ...declaredLosses(sums, await declaredAt(facts, at)),
    ...ranksApart(sums),
    ...content.sameBatches,
    ...(await content.staleLabels(facts, at)),
  ];
  return { normalisation: normalisationOf(sums), findings: findings.slice(0, MOST_FINDINGS) };
}

function normalisationOf(sums: StepSums): Normalisation {
  const { loss } = sums.all.total;
  const { meanOfMeans } = sums.all;
  return {
    token_mean: loss,
    mean_of_means: meanOfMeans,
    mean_of_rank_means: sums.meanOfRankMeans,
    relative_difference: relativeDifference(loss, meanOfMeans),
  };
}

async function declaredAt(facts: BatchFacts, at: StepOfAttempt): Promise<DeclaredLoss[]> {
  const declared: DeclaredLoss[] = [];
  for (let after = -1; ;) {
    const rows = await facts.declared(at, after, ROWS_AT_ONCE);
    declared.push(...rows.map(([, rank, value]) => ({ rank, declared: value })));
    if (rows.length < ROWS_AT_ONCE || declared.length > MOST_JUDGED) return declared;
    after = rows.at(-1)![1];
  }
}
