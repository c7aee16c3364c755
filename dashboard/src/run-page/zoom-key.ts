import type { RunSummary, StepPoint } from '../api/types.ts';
import type { Zoom } from '../chart/zoom.ts';
import type { Axis } from '../series/axis.ts';

interface Run {
  run: string;
  summary?: Pick<RunSummary, 'created_at'>;
  points: readonly Pick<StepPoint, 'attempt'>[];
}

/** Identifies the fine points of a zoom. They are outdated when a run resumes, or is recorded again under its name. */
export function zoomKeyOf(runs: readonly Run[], axis: Axis, { from, to }: Zoom): string {
  const origins = runs.map(({ run, summary, points }) => [run, summary?.created_at, points.at(-1)?.attempt]);
  return JSON.stringify([axis, from, to, origins]);
}
