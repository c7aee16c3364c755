import { formatCount } from '../format/numbers.ts';
import type { RunListView } from './use-run-list.ts';

/** Number of runs of a list that are shown, with a button for more. */
export function MoreRuns({ list, isLoadingMore, showMore }: RunListView) {
  if (list === undefined || !list.hasMore) return null;
  return (
    <p class="more">
      <span class="muted">
        {formatCount(list.runs.length)} of {formatCount(list.total)} shown
      </span>
      <button type="button" disabled={isLoadingMore} onClick={showMore}>
        {isLoadingMore ? 'Loading…' : 'Show more runs'}
      </button>
    </p>
  );
}
