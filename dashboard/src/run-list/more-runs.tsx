import { formatCount } from '../format/numbers.ts';
import type { RunListView } from './use-run-list.ts';

/** Says how many runs of a list are shown, and shows more. */
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
