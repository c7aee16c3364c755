import { useEffect, useState } from 'preact/hooks';
import { listRuns } from '../api/runs.ts';
import type { RunList } from '../api/runs.ts';
import type { RunQuery } from '../api/run-query.ts';
import { usePolling } from '../ui/polling.ts';

const REFRESH_MS = 3000;

/** A search that is being typed is sent when nothing was typed for so many milliseconds. */
const SETTLE_MS = 200;

/** Runs that are shown at first, and that are added at a time. */
const PAGE = 50;

/** Runs that the service listed. */
export interface ShownList extends RunList {
  query: RunQuery;
  /** Number of runs that was asked for. */
  count: number;
  /** Time of the answer, in Unix milliseconds. */
  at: number;
}

export interface RunListView {
  /** The newest answer to the query; undefined until there is one. */
  list: ShownList | undefined;
  /** The newest answer to the query before, until the query is answered or refused. */
  former: ShownList | undefined;
  /** Failure of the newest request of the query. */
  error: unknown;
  isLoadingMore: boolean;
  showMore: () => void;
}

const keyOf = ({ search, sort, state, tags, archived }: RunQuery): string =>
  JSON.stringify([sort, search, state, tags, archived]);

/** The first runs of a list, read again and again. An answer that comes after its query has changed is dropped. */
export function useRunList(query: RunQuery): RunListView {
  const settled = useSettled(query);
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

/** The query, a moment after its last change. */
function useSettled(query: RunQuery): RunQuery {
  const [settled, setSettled] = useState(query);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(query), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [keyOf(query)]);
  return settled;
}
