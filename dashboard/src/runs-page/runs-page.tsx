import { useState } from 'preact/hooks';
import type { RunSort } from '../api/run-query.ts';
import { RUN_SORTS } from '../api/run-query.ts';
import { formatCount, plural } from '../format/numbers.ts';
import { formatHash } from '../routing/hash.ts';
import { navigate, replaceHash } from '../routing/location.ts';
import { MoreRuns } from '../run-list/more-runs.tsx';
import { SearchBox } from '../run-list/search-box.tsx';
import { useRunList } from '../run-list/use-run-list.ts';
import type { ShownList } from '../run-list/use-run-list.ts';
import { formatNames } from '../routing/names.ts';
import { MOST_RUNS } from '../run-page/settings.ts';
import { AsOf } from '../ui/as-of.tsx';
import { ProblemNotice } from '../ui/problem-notice.tsx';
import { formatView, parseView } from './address.ts';
import type { ListView } from './address.ts';
import { ColumnPicker } from './column-picker.tsx';
import { columnsOf, labelNamesOf, tagsOf } from './columns.tsx';
import { conditionsOf } from './conditions.ts';
import { FilterMenu } from './filter-menu.tsx';
import { NoRuns } from './no-runs.tsx';
import { RunsTable } from './runs-table.tsx';

const ORDER_NAMES: Record<RunSort, string> = {
  newest: 'Newest first',
  oldest: 'Oldest first',
  name: 'By name',
  updated: 'Last updated first',
};

export function RunsPage({ parameters }: { parameters: URLSearchParams }) {
  const { columns: shownColumns, group, ...query } = parseView(parameters);
  const view = useRunList(query);
  const { list, former, error } = view;
  const [chosen, setChosen] = useState<string[]>([]);

  const change = (changed: Partial<ListView>): void => {
    replaceHash(formatHash([], formatView({ ...query, columns: shownColumns, group, ...changed })));
  };
  const toggle = (run: string): void => {
    setChosen(chosen.includes(run) ? chosen.filter((other) => other !== run) : [...chosen, run].slice(-MOST_RUNS));
  };
  const compare = (): void => {
    const [first, ...others] = chosen;
    navigate(formatHash(['runs', first!], new URLSearchParams({ compare: formatNames(others) })));
  };

  const shown = list ?? former;
  const labelNames = labelNamesOf(shown?.runs ?? []);
  const columns = columnsOf(labelNames);
  return (
    <div class="page">
      <div class="page-head">
        <h1>Runs</h1>
        <span class="muted" role="status">
          {list !== undefined && describe(list)}
          {list === undefined && error === undefined && (former === undefined ? 'Loading…' : 'Searching…')}
        </span>
        {list !== undefined && <AsOf time={list.at} />}
        <div class="page-actions">
          <SearchBox value={query.search} onChange={(search) => change({ search })} />
          <FilterMenu query={query} tags={tagsOf(shown?.runs ?? [])} onChange={change} />
          <select
            aria-label="Order"
            value={query.sort}
            onChange={(event) => change({ sort: event.currentTarget.value as RunSort })}
          >
            {RUN_SORTS.map((sort) => (
              <option key={sort} value={sort}>
                {ORDER_NAMES[sort]}
              </option>
            ))}
          </select>
          <select
            aria-label="Group by"
            value={group ?? ''}
            onChange={(event) => change({ group: event.currentTarget.value || undefined })}
          >
            <option value="">Not grouped</option>
            {[...new Set([...labelNames, ...(group === undefined ? [] : [group])])].map((name) => (
              <option key={name} value={name}>
                By {name}
              </option>
            ))}
          </select>
          <ColumnPicker columns={columns} shown={shownColumns} onChange={(columns) => change({ columns })} />
          <button type="button" class="primary" disabled={chosen.length < 2} onClick={compare}>
            Compare{chosen.length > 1 && ` ${chosen.length}`}
          </button>
        </div>
      </div>
      {error !== undefined && <ProblemNotice error={error} />}
      {list?.total === 0 && <NoRuns query={list.query} onChange={change} />}
      {shown !== undefined && shown.runs.length > 0 && (
        <RunsTable
          runs={shown.runs}
          caption={captionOf(shown)}
          columns={columns.filter(({ id }) => shownColumns.includes(id))}
          group={group}
          isFormer={list === undefined}
          chosen={chosen}
          onToggle={toggle}
        />
      )}
      <MoreRuns {...view} />
    </div>
  );
}

function captionOf({ query }: ShownList): string {
  const conditions = conditionsOf(query);
  const which = conditions === '' ? 'Training runs' : `Training runs that match ${conditions}`;
  return `${which}: ${ORDER_NAMES[query.sort].toLowerCase()}`;
}

function describe(list: ShownList): string {
  const { total, active, nonFinite, query } = list;
  const conditions = conditionsOf(query);
  const count = plural(total, 'run') + (conditions === '' ? '' : ` for ${conditions}`);
  const bad = nonFinite > 0 ? [`${formatCount(nonFinite)} with non-finite steps`] : [];
  return [count, `${formatCount(active)} active`, ...bad].join(' · ');
}
