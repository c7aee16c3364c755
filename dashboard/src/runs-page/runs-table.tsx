import type { RunSummary } from '../api/types.ts';
import { formatCount, formatLoss, plural } from '../format/numbers.ts';
import { formatHash } from '../routing/hash.ts';
import { Badge } from '../ui/badge.tsx';
import { Labels } from '../ui/labels.tsx';
import type { Column } from './columns.tsx';
import { bestOf, groupRuns } from './group.ts';

interface Properties {
  runs: readonly RunSummary[];
  columns: readonly Column[];
  /** Label by which runs are grouped. */
  group: string | undefined;
  caption: string;
  /** True while the runs are those of the previous query. */
  isFormer: boolean;
  chosen: readonly string[];
  onToggle: (run: string) => void;
}

export function RunsTable({ runs, columns, group, caption, isFormer, chosen, onToggle }: Properties) {
  return (
    <div class={`card runs ${isFormer ? 'former' : ''}`} aria-busy={isFormer}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">
              <span class="hidden">Compare</span>
            </th>
            <th scope="col">Run</th>
            {columns.map((column) => (
              <th key={column.id} scope="col" class={column.class.startsWith('number') ? 'number' : undefined}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        {groupRuns(runs, group).map(({ value, runs }) => (
          <tbody key={value ?? ''}>
            {group !== undefined && (
              <tr class="group-row">
                <th scope="rowgroup" colSpan={columns.length + 2}>
                  {value === undefined ? `without ${group}` : `${group} ${value}`}{' '}
                  <span class="muted">
                    {plural(runs.length, 'run')} shown, best loss {formatLoss(bestOf(runs))}
                  </span>
                </th>
              </tr>
            )}
            {runs.map((run) => (
              <Row key={run.run} {...{ run, columns, onToggle }} isChosen={chosen.includes(run.run)} />
            ))}
          </tbody>
        ))}
      </table>
    </div>
  );
}

interface RowProperties extends Pick<Properties, 'columns' | 'onToggle'> {
  run: RunSummary;
  isChosen: boolean;
}

function Row({ run, columns, isChosen, onToggle }: RowProperties) {
  const { run: name, non_finite_steps: nonFinite, archived } = run;
  return (
    <tr class={isChosen ? 'chosen' : undefined}>
      <td class="choose">
        <input type="checkbox" checked={isChosen} onChange={() => onToggle(name)} aria-label={`Compare ${name}`} />
      </td>
      <th scope="row" class="name">
        <a href={formatHash(['runs', name])}>{name}</a>
        {nonFinite > 0 && <Badge kind="bad">{formatCount(nonFinite)} non-finite</Badge>}
        {archived && <Badge kind="plain">archived</Badge>}
        <Labels labels={run.labels} />
      </th>
      {columns.map((column) => (
        <td key={column.id} class={column.class} data-name={column.title.toLowerCase()}>
          {column.cell(run)}
        </td>
      ))}
    </tr>
  );
}
