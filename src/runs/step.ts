import { sumOf } from '../loss/summation.ts';
import type { RecordedBatch, StepPoint } from './record.ts';

/** What of a step follows from its batches. */
export type StepValue = Omit<StepPoint, 'sequence' | 'step' | 'attempt'>;

/**
 * The value of a step: Σ numerators / Σ denominators, added with compensation in the order of rank and micro-batch, so that
 * its bits do not depend on the order in which they came.
 * @param batches of one attempt, in that order; at least one
 */
export function stepValue(batches: readonly Omit<RecordedBatch, 'attempt' | 'step'>[]): StepValue {
  const sums = addPairs(batches);
  const bad = batches.filter(({ diagnostics }) => diagnostics.verdict === 'non_finite');
  const ranks = [...Map.groupBy(batches, ({ rank }) => rank).values()];
  const finite = ranks.map((own) => addPairs(own).loss).filter(Number.isFinite);
  return {
    ...sums,
    ranks: ranks.length,
    rankLosses: finite.length === 0 ? undefined : { min: Math.min(...finite), max: Math.max(...finite) },
    nonFinite: bad.length > 0 || !Number.isFinite(sums.loss),
    causes: [...new Set(bad.flatMap(({ diagnostics }) => diagnostics.causes.map(({ cause }) => cause)))],
    summary: bad[0]?.diagnostics.summary,
    recordedAt: Math.max(...batches.map(({ recordedAt }) => recordedAt)),
  };
}

/** What some batches add up to, those of a rank for instance, added with compensation in their order. */
export function addPairs(batches: readonly Pair[]): Pair & { loss: number } {
  const numerator = sumOf(batches.map((batch) => batch.numerator));
  const denominator = sumOf(batches.map((batch) => batch.denominator));
  return { loss: numerator / denominator, numerator, denominator };
}

type Pair = Pick<RecordedBatch, 'numerator' | 'denominator'>;
