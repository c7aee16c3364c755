/** Runs under their names on the wire. */
import type { Static } from '#typebox';
import type { RunSummary as WireSummary, StepDetail, StepList, StepPoint } from '../contract/runs.ts';
import type { AttemptList, ScalarCurve, ScalarList } from '../contract/scalars.ts';
import type { AttemptPage } from './attempt-steps.ts';
import { isActive } from './activity.ts';
import { stateOf } from './life.ts';
import type { StepJudgement } from './disagreement/judge-step.ts';
import type { CurvePoint, RecordedBatch, RunSummary } from './record.ts';
import type { Attempt, ScalarPage, ScalarSummary } from './scalars.ts';
import type { StepPage } from './store.ts';

const timeOf = (milliseconds: number): string => new Date(milliseconds).toISOString();

export function wireSummary(summary: RunSummary, now = Date.now()): WireSummary {
  const { run, labels, expectedRanks, notes, tags, archived, createdAt, updatedAt, last, best, sparkline } = summary;
  return {
    run,
    labels,
    ...(expectedRanks !== undefined && { expected_ranks: expectedRanks }),
    created_at: timeOf(createdAt),
    updated_at: timeOf(updatedAt),
    status: isActive(summary, now) ? 'active' : 'idle',
    state: stateOf(summary, now),
    notes,
    tags,
    archived,
    steps: summary.steps,
    batches: summary.batches,
    ranks: summary.ranks,
    non_finite_steps: summary.nonFiniteSteps,
    ...(last && {
      last_step: last.step,
      last_loss: last.loss,
    }),
    ...(best && {
      best_step: best.step,
      best_loss: best.loss,
    }),
    sparkline,
  };
}

export function wirePoint(point: CurvePoint): StepPoint {
  const { step, attempt, loss, numerator, denominator, complete, nonFinite, spike, ranks, rankLosses } = point;
  return {
    step,
    attempt,
    loss,
    numerator,
    denominator,
    complete,
    non_finite: nonFinite,
    spike,
    ranks,
    ...(rankLosses && { rank_losses: rankLosses }),
    recorded_at: timeOf(point.recordedAt),
    ...(nonFinite && { causes: point.causes }),
    ...(nonFinite && point.summary !== undefined && { summary: point.summary }),
  };
}

export function wireSteps({ points, next }: AttemptPage): StepList {
  return { steps: points.map(wirePoint), ...(next !== undefined && { next: String(next) }) };
}

export function wireStep(
  run: string,
  { point, batches, missingRanks, ranks, next }: StepPage,
  judgement: StepJudgement | undefined,
): StepDetail {
  return {
    run,
    ...wirePoint(point),
    ...(batches !== undefined && { batches }),
    ...(judgement && { normalisation: judgement.normalisation, disagreement: judgement.findings }),
    missing_ranks: missingRanks,
    rank_details: ranks.map(({ rank, sum, batches: own }) => ({
      rank,
      ...sum,
      micro_batches: own.map(({ microBatch, numerator, denominator, device, recordedAt, diagnostics }) => ({
        micro_batch: microBatch,
        loss: numerator / denominator,
        numerator,
        denominator,
        ...(device !== undefined && { device }),
        recorded_at: timeOf(recordedAt),
        diagnostics,
      })),
    })),
    ...(next && { next: `${next.rank}.${next.microBatch}` }),
  };
}

/** A micro-batch in its exported form. */
export function wireBatch(batch: RecordedBatch): Record<string, string | number> {
  const { step, attempt, rank, microBatch, numerator, denominator, recordedAt, diagnostics } = batch;
  return {
    step,
    attempt,
    rank,
    micro_batch: microBatch,
    loss: numerator / denominator,
    numerator,
    denominator,
    verdict: diagnostics.verdict,
    summary: diagnostics.summary,
    recorded_at: timeOf(recordedAt),
  };
}

/** A step in its exported form. */
export function wireRow(point: CurvePoint): Record<string, string | number | boolean> {
  const { step, attempt, loss, numerator, denominator, complete, nonFinite, spike, ranks, causes } = point;
  return {
    step,
    loss,
    numerator,
    denominator,
    complete,
    non_finite: nonFinite,
    spike,
    ranks,
    attempt,
    causes: causes.join(' '),
    summary: point.summary ?? '',
    recorded_at: timeOf(point.recordedAt),
  };
}

/** A scalar of a run in its form in answers. */
export function wireScalar({ name, points, last }: ScalarSummary): Static<typeof ScalarList>['scalars'][number] {
  return { name, points, ...(last && { last_step: last.step, last_value: last.value }) };
}

/** Points of a scalar in their form in answers. */
export function wireScalarPage({ points, next }: ScalarPage): Static<typeof ScalarCurve> {
  return {
    points: points.map(({ step, attempt, value, ranks, range, nonFinite, spike }) => ({
      step,
      attempt,
      value,
      ranks,
      ...(range !== undefined && ranks > 1 && range),
      non_finite: nonFinite,
      spike,
    })),
    ...(next !== undefined && { next: String(next) }),
  };
}

/** Attempts of a run in their form in answers. @param attempts in their order */
export function wireAttempts(attempts: readonly Attempt[]): Static<typeof AttemptList> {
  let end = Infinity;
  const fromTheLast = attempts.toReversed().map(({ attempt, firstStep }) => {
    const supersededFrom = end < Infinity && { superseded_from: Math.max(end, firstStep) };
    end = Math.min(end, firstStep);
    return { attempt, first_step: firstStep, ...supersededFrom };
  });
  return { attempts: fromTheLast.toReversed() };
}
