import { useState } from 'preact/hooks';
import { NEWEST_RUNS } from '../api/run-query.ts';
import { MoreRuns } from '../run-list/more-runs.tsx';
import { SearchBox } from '../run-list/search-box.tsx';
import { useRunList } from '../run-list/use-run-list.ts';
import { ProblemNotice } from '../ui/problem-notice.tsx';
import { MOST_RUNS } from './settings.ts';

interface Properties {
  run: string;
  chosen: readonly string[];
  onChange: (chosen: string[]) => void;
}

/** Choice of runs: the chosen runs, then the other runs that match a search. */
export function OtherRuns({ run, chosen, onChange }: Properties) {
  const [search, setSearch] = useState('');
  const view = useRunList({ ...NEWEST_RUNS, search });
  const { list, error } = view;
  const names = (list?.runs ?? []).map((listed) => listed.run);
  const others = names.filter((name) => name !== run);
  const isFull = chosen.length >= MOST_RUNS - 1;
  return (
    <>
      <SearchBox value={search} onChange={setSearch} />
      {[...new Set([...chosen, ...others])].map((name) => {
        const isChosen = chosen.includes(name);
        return (
          <label key={name}>
            <input
              type="checkbox"
              checked={isChosen}
              disabled={isFull && !isChosen}
              onChange={() => onChange(isChosen ? chosen.filter((other) => other !== name) : [...chosen, name])}
            />
            {name}
          </label>
        );
      })}
      {error !== undefined && <ProblemNotice error={error} />}
      {list === undefined && error === undefined && <p class="muted">Loading…</p>}
      {list !== undefined && !list.hasMore && others.length === 0 && (
        <p class="muted">{search.trim() === '' ? 'There is no other run.' : `No other run matches “${search}”.`}</p>
      )}
      <MoreRuns {...view} />
    </>
  );
}
