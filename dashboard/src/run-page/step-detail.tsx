import { useEffect, useRef } from 'preact/hooks';
import { getStep } from '../api/runs.ts';
import type { RankDetail, StepDetail } from '../api/types.ts';
import { formatCount, formatLoss } from '../format/numbers.ts';
import { formatMoment } from '../format/times.ts';
import type { CurvePoint } from '../series/point.ts';
import { Badge } from '../ui/badge.tsx';
import { DetailNumbers } from '../ui/detail-numbers.tsx';
import { useLoaded } from '../ui/loaded.ts';
import { ProblemNotice } from '../ui/problem-notice.tsx';
import { Disagreement } from './disagreement.tsx';
import { Normalisation } from './normalisation.tsx';
import { RankTable } from './rank-table.tsx';
import { Reruns } from './reruns.tsx';

/** Narrow layout, with the limit of the style sheet. */
const NARROW = matchMedia('(max-width: 900px)');

interface Properties {
  run: string;
  step: number | undefined;
  /** Point of the step in the curve. */
  state: CurvePoint | undefined;
  onClose: () => void;
}

/** Detail of a step, down to its micro-batches. */
export function StepDetailPanel({ run, step, state, onClose }: Properties) {
  const { value: detail, error } = useLoaded(step === undefined ? undefined : (signal) => getStep(run, step, signal), [
    run,
    step,
    state?.recorded_at,
    state?.ranks,
    state?.attempt,
  ]);

  const section = useRef<HTMLElement>(null);
  const shown = useRef(step);
  useEffect(() => {
    const isChosen = step !== undefined && step !== shown.current;
    shown.current = step;
    // In the narrow layout, the detail is below the list and may be off the screen.
    if (isChosen && NARROW.matches) section.current?.scrollIntoView({ block: 'start' });
  }, [step]);

  const isCurrent = detail?.run === run && detail.step === step;
  return (
    <section ref={section} class="card step-detail" aria-labelledby="detail-title">
      <h2 id="detail-title" aria-live="polite">
        {step === undefined ? 'Step detail' : `Step ${formatCount(step)}`}
      </h2>
      {step === undefined && <p class="muted">Choose a step in the curve or in the list to see its ranks.</p>}
      {step !== undefined && (
        <button type="button" class="quiet close" aria-label="Close the detail" onClick={onClose}>
          ×
        </button>
      )}
      {step !== undefined && error !== undefined && <ProblemNotice error={error} />}
      {step !== undefined && error === undefined && !isCurrent && <p class="muted">Loading…</p>}
      {step !== undefined && error === undefined && isCurrent && <Detail detail={detail} />}
    </section>
  );
}

function Detail({ detail }: { detail: StepDetail }) {
  const { run, step, loss, numerator, denominator, attempt, missing_ranks: missing, summary } = detail;
  const { disagreement = [], normalisation } = detail;
  return (
    <>
      <p class="detail-badges">
        {detail.non_finite && <Badge kind="bad">not finite</Badge>}
        {detail.spike && <Badge kind="warn">spike</Badge>}
        {detail.complete ? <Badge kind="good">complete</Badge> : <Badge kind="warn">incomplete</Badge>}
        {attempt > 0 && <Badge kind="plain">attempt {attempt}</Badge>}
        <span class="muted">
          {run} · {formatMoment(detail.recorded_at)}
        </span>
      </p>
      {summary !== undefined && <p class="detail-summary">{summary}</p>}
      <DetailNumbers
        numbers={[
          ['Loss', formatLoss(loss)],
          ['Numerator', formatLoss(numerator)],
          ['Denominator', formatCount(denominator)],
        ]}
      />
      {missing.length > 0 && <p class="warn-text">Not yet reported: rank {missing.join(', ')}</p>}
      {disagreement.length > 0 && <Disagreement findings={disagreement} />}
      {/* When the loss is not finite, no average is finite. */}
      {normalisation !== undefined && Number.isFinite(normalisation.token_mean) && <Normalisation of={normalisation} />}
      {/* Steps of the first attempt have no reruns. */}
      {attempt > 0 && (
        <Reruns key={`${run} ${step}`} run={run} step={step} revision={`${detail.recorded_at} ${detail.batches}`} />
      )}
      <RankTable ranks={detail.rank_details} loss={loss} />
      {detail.next !== undefined && (
        <p class="muted">
          The first {formatCount(countOf(detail.rank_details))} of {formatCount(detail.batches ?? 0)} micro-batches are
          shown.
        </p>
      )}
    </>
  );
}

function countOf(ranks: readonly RankDetail[]): number {
  return ranks.reduce((count, { micro_batches: batches }) => count + batches.length, 0);
}
