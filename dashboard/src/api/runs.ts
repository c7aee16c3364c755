import { getJson } from './request.ts';
import type { RunSummary, StepDetail, StepPoint } from './types.ts';

/** How many points of a run are drawn at most: more than any screen has columns. */
export const MAX_POINTS = 2000;

export interface RunsAnswer {
  runs: RunSummary[];
  next?: string;
}

export interface StepRange {
  from?: number;
  to?: number;
}

const queryOf = (parameters: Record<string, string | number | undefined>): string => {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
};

const pathOf = (run: string): string => `v1/runs/${encodeURIComponent(run)}`;

export const listRuns = (cursor?: string, signal?: AbortSignal): Promise<RunsAnswer> =>
  getJson(`v1/runs?${queryOf({ limit: 50, cursor })}`, signal);

export const getRun = (run: string, signal?: AbortSignal): Promise<RunSummary> => getJson(pathOf(run), signal);

/** Steps in order; of a long run the least and the greatest loss of each stretch, and losses that are not finite. */
export async function getSteps(run: string, { from, to }: StepRange = {}, signal?: AbortSignal): Promise<StepPoint[]> {
  const query = queryOf({ from, to, max_points: MAX_POINTS });
  const { steps } = await getJson<{ steps: StepPoint[] }>(`${pathOf(run)}/steps?${query}`, signal);
  return steps;
}

export const getStep = (run: string, step: number, signal?: AbortSignal): Promise<StepDetail> =>
  getJson(`${pathOf(run)}/steps/${step}`, signal);

export const eventsPathOf = (run: string): string => `${pathOf(run)}/events`;

export const exportPathOf = (run: string, format: 'csv' | 'jsonl'): string => `${pathOf(run)}/export?format=${format}`;
