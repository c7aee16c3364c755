import { useRef, useState } from 'preact/hooks';
import { listRuns } from '../api/runs.ts';
import type { RunSummary } from '../api/types.ts';
import { plural } from '../format/numbers.ts';
import { formatHash } from '../routing/hash.ts';
import { navigate, replaceHash } from '../routing/location.ts';
import { MOST_RUNS } from '../run-page/settings.ts';
import { usePolling } from '../ui/polling.ts';
import { ProblemNotice } from '../ui/problem-notice.tsx';
import { matches } from './filter.ts';
import { FirstRun } from './first-run.tsx';
import { RunsTable } from './runs-table.tsx';

const REFRESH_MS = 3000;

export function RunsPage({ parameters }: { parameters: URLSearchParams }) {
  const [runs, setRuns] = useState<RunSummary[]>();
  const [hasMore, setHasMore] = useState(false);
  const [error, setError] = useState<unknown>();
  const [chosen, setChosen] = useState<string[]>([]);
  const pages = useRef(1);
  const [refreshes, setRefreshes] = useState(0);

  usePolling(
    async (signal) => {
      try {
        const answer = await listPages(pages.current, signal);
        setRuns(answer.runs);
        setHasMore(answer.next !== undefined);
        setError(undefined);
      } catch (error) {
        if (!signal.aborted) setError(error);
      }
    },
    REFRESH_MS,
    [refreshes],
  );

  const filter = parameters.get('q') ?? '';
  const setFilter = (text: string): void => {
    replaceHash(formatHash([], new URLSearchParams(text === '' ? {} : { q: text })));
  };
  const toggle = (run: string): void => {
    setChosen(chosen.includes(run) ? chosen.filter((other) => other !== run) : [...chosen, run].slice(-MOST_RUNS));
  };
  const compare = (): void => {
    const [first, ...others] = chosen;
    navigate(formatHash(['runs', first!], new URLSearchParams({ compare: others.join(',') })));
  };
  const showMore = (): void => {
    pages.current++;
    setRefreshes(refreshes + 1);
  };

  const shown = runs?.filter((run) => matches(run, filter)) ?? [];
  return (
    <div class="page">
      <div class="page-head">
        <h1>Runs</h1>
        {runs !== undefined && <span class="muted">{describe(runs, hasMore)}</span>}
        <div class="page-actions">
          <input
            type="search"
            aria-label="Filter by name or label"
            placeholder="Filter by name or label"
            value={filter}
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
          <button type="button" class="primary" disabled={chosen.length < 2} onClick={compare}>
            Compare{chosen.length > 1 && ` ${chosen.length}`}
          </button>
        </div>
      </div>
      {error !== undefined && <ProblemNotice error={error} />}
      {runs === undefined && error === undefined && <p class="muted">Loading…</p>}
      {runs?.length === 0 && <FirstRun />}
      {runs !== undefined && runs.length > 0 && shown.length === 0 && (
        <p class="muted">
          {hasMore ? `None of the newest ${runs.length} runs` : 'No run'} matches “{filter}”.
        </p>
      )}
      {shown.length > 0 && <RunsTable runs={shown} chosen={chosen} onToggle={toggle} />}
      {hasMore && (
        <button type="button" class="more" onClick={showMore}>
          Show older runs
        </button>
      )}
    </div>
  );
}

async function listPages(count: number, signal: AbortSignal): ReturnType<typeof listRuns> {
  let answer = await listRuns(undefined, signal);
  for (let page = 1; page < count && answer.next !== undefined; page++) {
    const { runs, next } = await listRuns(answer.next, signal);
    answer = { runs: [...answer.runs, ...runs], ...(next !== undefined && { next }) };
  }
  return answer;
}

function describe(runs: readonly RunSummary[], hasMore: boolean): string {
  const active = runs.filter(({ status }) => status === 'active').length;
  const bad = runs.filter(({ non_finite_steps: count }) => count > 0).length;
  const count = `${hasMore ? 'the newest ' : ''}${plural(runs.length, 'run')}`;
  const parts = [count, `${active} active`, ...(bad > 0 ? [`${bad} with non-finite steps`] : [])];
  return parts.join(' · ');
}
