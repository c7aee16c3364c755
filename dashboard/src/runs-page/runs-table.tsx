import type { RunSummary } from '../api/types.ts';
import { formatCount, formatLoss } from '../format/numbers.ts';
import { formatHash } from '../routing/hash.ts';
import { Ago } from '../ui/ago.tsx';
import { Badge, StatusBadge } from '../ui/badge.tsx';
import { Labels } from '../ui/labels.tsx';
import { Sparkline } from '../ui/sparkline.tsx';

interface Properties {
  runs: readonly RunSummary[];
  caption: string;
  /** True while the runs are those of a search before. */
  isFormer: boolean;
  chosen: readonly string[];
  onToggle: (run: string) => void;
}

export function RunsTable({ runs, caption, isFormer, chosen, onToggle }: Properties) {
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
            <th scope="col">Status</th>
            <th scope="col">Curve</th>
            <th scope="col" class="number">
              Last loss
            </th>
            <th scope="col" class="number">
              Best loss
            </th>
            <th scope="col" class="number">
              Steps
            </th>
            <th scope="col" class="number">
              Updated
            </th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <Row key={run.run} run={run} isChosen={chosen.includes(run.run)} onToggle={onToggle} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ run, isChosen, onToggle }: { run: RunSummary; isChosen: boolean; onToggle: (run: string) => void }) {
  const { run: name, non_finite_steps: nonFinite } = run;
  return (
    <tr class={isChosen ? 'chosen' : undefined}>
      <td class="choose">
        <input type="checkbox" checked={isChosen} onChange={() => onToggle(name)} aria-label={`Compare ${name}`} />
      </td>
      <th scope="row" class="name">
        <a href={formatHash(['runs', name])}>{name}</a>
        {nonFinite > 0 && <Badge kind="bad">{formatCount(nonFinite)} non-finite</Badge>}
        <Labels labels={run.labels} />
      </th>
      <td class="status-cell">
        <StatusBadge status={run.status} />
      </td>
      <td class="curve">
        <Sparkline values={run.sparkline} />
      </td>
      <td class="number" data-name="last">
        {formatLoss(run.last_loss)}
      </td>
      <td class="number" data-name="best">
        {formatLoss(run.best_loss)}
        {run.best_step !== undefined && <span class="muted small"> at {formatCount(run.best_step)}</span>}
      </td>
      <td class="number" data-name="steps">
        {formatCount(run.steps)}
      </td>
      <td class="number muted" data-name="updated">
        <Ago time={run.updated_at} />
      </td>
    </tr>
  );
}
