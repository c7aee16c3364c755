import type { RemoteService } from './service.ts';
import { UsageError } from '../usage.ts';

/** Fields of a run's summary that the commands read. Non-finite numbers are strings. */
export interface RunSummary {
  run: string;
  status: 'active' | 'idle';
  state?: string;
  tags?: string[];
  created_at: string;
  updated_at: string;
  steps: number;
  batches: number;
  ranks: number;
  non_finite_steps: number;
  last_step?: number;
  last_loss?: number | string;
  best_loss?: number | string;
}

/** Filters of a list of runs, for parseArgs. */
export const FILTER_ARGUMENTS = {
  archived: { type: 'string' },
  label: { type: 'string', multiple: true },
  search: { type: 'string' },
  state: { type: 'string' },
  tag: { type: 'string', multiple: true },
} as const;

export const FILTER_USAGE = `  --search WORDS       words that must occur in the name or in a label
  --state STATE        running, finished, failed, crashed or idle
  --label NAME=VALUE   label of the run; may be repeated
  --tag TAG            tag of the run; may be repeated
  --archived WHICH     true for archived runs, false for the others, any for
                       both; false by default`;

type Filters = Partial<Record<keyof typeof FILTER_ARGUMENTS | 'sort', string | string[] | undefined>>;

const MOST_PAGE = 200;

/** Yields the runs that match, page by page. @param most maximum number of runs */
export async function* findRuns(
  service: RemoteService,
  filters: Filters,
  most = Infinity,
): AsyncGenerator<RunSummary, void> {
  let count = 0;
  let cursor: string | undefined;
  do {
    const query = queryOf(filters);
    query.set('limit', String(Math.min(MOST_PAGE, most - count)));
    if (cursor !== undefined) query.set('cursor', cursor);
    const page = await service.json<{ runs: RunSummary[]; next?: string }>(`v1/runs?${query.toString()}`);
    yield* page.runs;
    count += page.runs.length;
    cursor = page.next;
  } while (cursor !== undefined && count < most);
}

function queryOf(filters: Filters): URLSearchParams {
  const query = new URLSearchParams();
  for (const name of ['archived', 'label', 'search', 'sort', 'state', 'tag'] as const) {
    for (const value of [filters[name] ?? []].flat()) query.append(name, value);
  }
  return query;
}

/** Reads a whole number of at least 1. @throws UsageError */
export function readPositive(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new UsageError(`--${name} is ${text}, expected an integer that is at least 1`);
}
