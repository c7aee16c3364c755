import { useState } from 'preact/hooks';
import { listRuns } from '../api/runs.ts';
import type { RunList } from '../api/runs.ts';
import type { RunQuery } from '../api/run-query.ts';
import { usePolling } from '../ui/polling.ts';
import { useSettled } from '../ui/settled.ts';

const REFRESH_MS = 3000;

/** Delay between the last change of a query and its request, in milliseconds. */
const SETTLE_MS = 200;

/** Number of runs that are shown at first, and that each request for more adds. */
const PAGE = 50;

/** Answer of the service to a query. */
export interface ShownList extends RunList {
  query: RunQuery;
  /** Number of requested runs. */
  count: number;
  /** Time of the answer, in Unix milliseconds. */
  at: number;
}

export interface RunListView {
  /** Newest answer to the query; undefined until there is one. */
  list: ShownList | undefined;
  /** Newest answer to the previous query, until the query is answered or fails. */
  former: ShownList | undefined;
  /** Failure of the newest request of the query. */
  error: unknown;
  isLoadingMore: boolean;
  showMore: () => void;
}

const keyOf = ({ search, sort, state, tags, archived }: RunQuery): string =>
  JSON.stringify([sort, search, state, tags, archived]);

/** Polls the first runs of a list. An answer to an outdated query is dropped. */
export function useRunList(query: RunQuery): RunListView {
  const settled = useSettled(query, keyOf(query), SETTLE_MS);
  const settledKey = keyOf(settled);
  const [asked, setAsked] = useState({ key: settledKey, count: PAGE });
  const count = asked.key === settledKey ? asked.count : PAGE;
  const [newest, setNewest] = useState<ShownList>();
  const [failure, setFailure] = useState<{ key: string; error: unknown }>();

  usePolling(
    async (signal) => {
      try {
        const list = await listRuns(settled, count, signal);
        if (signal.aborted) return;
        setNewest({ ...list, query: settled, count, at: Date.now() });
        setFailure(undefined);
      } catch (error) {
        if (!signal.aborted) setFailure({ key: settledKey, error });
      }
    },
    REFRESH_MS,
    [settledKey, count],
  );

  const key = keyOf(query);
  const list = newest !== undefined && keyOf(newest.query) === key ? newest : undefined;
  const error = failure?.key === key ? failure.error : undefined;
  return {
    list,
    former: list === undefined && error === undefined ? newest : undefined,
    error,
    isLoadingMore: list !== undefined && list.count < count && error === undefined,
    showMore: () => setAsked({ key: settledKey, count: count + PAGE }),
  };
}
