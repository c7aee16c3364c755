import { getJson } from './request.ts';
import type { RunQuery } from './run-query.ts';
import type { RunPage, RunSummary, StepDetail, StepPoint } from './types.ts';

/** Most points that are drawn of a run: more than any screen has columns. */
export const MAX_POINTS = 2000;

type FirstRunPage = RunPage & Required<Pick<RunPage, 'total' | 'active' | 'non_finite'>>;

/** The first runs of a list, and the numbers of all its runs. */
export interface RunList {
  runs: RunSummary[];
  hasMore: boolean;
  total: number;
  active: number;
  nonFinite: number;
}

/** Most runs of a page. */
const PAGE = 200;

export interface StepRange {
  from?: number;
  to?: number;
}

const queryOf = (parameters: Record<string, string | number | undefined>): string => {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
};

const pathOf = (run: string): string => `v1/runs/${encodeURIComponent(run)}`;

/** Lists the first runs. @param count most runs */
export async function listRuns({ search, sort }: RunQuery, count: number, signal: AbortSignal): Promise<RunList> {
  const read = <P extends RunPage>(left: number, cursor?: string): Promise<P> =>
    getJson(`v1/runs?${queryOf({ search: search || undefined, sort, limit: Math.min(left, PAGE), cursor })}`, signal);
  const { total, active, non_finite: nonFinite, ...first } = await read<FirstRunPage>(count);
  // By name: a run that is deleted and recorded again comes twice, the oldest first.
  const runs = new Map(first.runs.map((run) => [run.run, run]));
  let { next } = first;
  while (next !== undefined && runs.size < count) {
    const page = await read(count - runs.size, next);
    for (const run of page.runs) runs.set(run.run, run);
    next = page.next;
  }
  return { runs: [...runs.values()], hasMore: next !== undefined, total, active, nonFinite };
}

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
