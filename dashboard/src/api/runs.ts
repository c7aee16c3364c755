import { api } from './request.ts';
import type { RunQuery } from './run-query.ts';
import type { Attempt, Rerun, RunSummary, StepDetail, StepPoint } from './types.ts';

/** Most points that are drawn of a run: more than a chart has columns of CSS pixels. */
export const MAX_POINTS = 2000;

/** First runs of a list, with counts over the whole list. */
export interface RunList {
  runs: RunSummary[];
  hasMore: boolean;
  total: number;
  active: number;
  nonFinite: number;
}

/** Most runs in a page of the API. */
const PAGE = 200;

export interface StepRange {
  from?: number;
  to?: number;
}

const pathOf = (run: string): string => `v1/runs/${encodeURIComponent(run)}`;

/** Lists the first runs. @param count greatest number of runs */
export async function listRuns(
  { search, sort, state, tags, archived }: RunQuery,
  count: number,
  signal: AbortSignal,
): Promise<RunList> {
  const selection = {
    ...(search !== '' && { search }),
    ...(state !== undefined && { state }),
    ...(tags.length > 0 && { tag: [...tags] }),
    archived,
    sort,
  };
  const read = async (left: number, cursor?: string) => {
    const query = { ...selection, limit: Math.min(left, PAGE), ...(cursor && { cursor }) };
    return (await api().GET('/v1/runs', { params: { query }, signal })).data!;
  };
  const { total = 0, active = 0, non_finite: nonFinite = 0, ...first } = await read(count);
  // A map by name: sorted from the oldest, a run that is deleted and recorded again between two pages is in both.
  const runs = new Map(first.runs.map((run) => [run.run, run]));
  let { next } = first;
  while (next !== undefined && runs.size < count) {
    const page = await read(count - runs.size, next);
    for (const run of page.runs) runs.set(run.run, run);
    next = page.next;
  }
  return { runs: [...runs.values()], hasMore: next !== undefined, total, active, nonFinite };
}

export async function getRun(run: string, signal?: AbortSignal): Promise<RunSummary> {
  return (await api().GET('/v1/runs/{run}', { params: { path: { run } }, ...(signal && { signal }) })).data!;
}

/** Reads the steps in order. A long run is thinned to the extreme losses of each stretch and the non-finite losses. */
export async function getSteps(
  run: string,
  range: StepRange & { attempt?: number } = {},
  signal?: AbortSignal,
): Promise<StepPoint[]> {
  const query = { ...range, max_points: MAX_POINTS };
  const params = { path: { run }, query };
  const { data } = await api().GET('/v1/runs/{run}/steps', { params, ...(signal && { signal }) });
  return data!.steps;
}

export async function getStep(run: string, step: number, signal?: AbortSignal): Promise<StepDetail> {
  const params = { path: { run, step } };
  return (await api().GET('/v1/runs/{run}/steps/{step}', { params, ...(signal && { signal }) })).data!;
}

/** First page of the micro-batches of a step that were recorded in several attempts. */
export interface RerunPage {
  reruns: Rerun[];
  hasMore: boolean;
}

export async function getReruns(run: string, step: number, signal: AbortSignal): Promise<RerunPage> {
  const params = { path: { run, step } };
  const { reruns, next } = (await api().GET('/v1/runs/{run}/steps/{step}/reruns', { params, signal })).data!;
  return { reruns, hasMore: next !== undefined };
}

export async function getAttempts(run: string, signal: AbortSignal): Promise<Attempt[]> {
  return (await api().GET('/v1/runs/{run}/attempts', { params: { path: { run } }, signal })).data!.attempts;
}

export const eventsPathOf = (run: string): string => `${pathOf(run)}/events`;

export const exportPathOf = (run: string, format: 'csv' | 'jsonl'): string => `${pathOf(run)}/export?format=${format}`;
