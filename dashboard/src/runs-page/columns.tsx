import type { ComponentChildren } from 'preact';
import type { RunSummary } from '../api/types.ts';
import { formatCount, formatLoss } from '../format/numbers.ts';
import { Ago } from '../ui/ago.tsx';
import { StateBadge, StatusBadge } from '../ui/badge.tsx';
import { Sparkline } from '../ui/sparkline.tsx';
import { Tags } from '../ui/tags.tsx';

/** Column of the table of runs. */
export interface Column {
  /** Name of the column in the address. */
  id: string;
  title: string;
  class: string;
  cell: (run: RunSummary) => ComponentChildren;
}

const number = (id: string, title: string, cell: Column['cell']): Column => ({ id, title, class: 'number', cell });

const COLUMNS: readonly Column[] = [
  { id: 'status', title: 'Status', class: 'status-cell', cell: ({ status }) => <StatusBadge status={status} /> },
  { id: 'state', title: 'State', class: 'label-cell', cell: ({ state }) => <StateBadge state={state} /> },
  {
    id: 'tags',
    title: 'Tags',
    class: 'label-cell',
    cell: ({ tags }) => (tags.length > 0 ? <Tags tags={tags} /> : '–'),
  },
  { id: 'curve', title: 'Curve', class: 'curve', cell: ({ sparkline }) => <Sparkline values={sparkline} /> },
  number('last', 'Last loss', ({ last_loss: loss }) => formatLoss(loss)),
  number('best', 'Best loss', ({ best_loss: loss, best_step: step }) => (
    <>
      {formatLoss(loss)}
      {step !== undefined && <span class="muted small"> at {formatCount(step)}</span>}
    </>
  )),
  number('steps', 'Steps', ({ steps }) => formatCount(steps)),
  number('ranks', 'Ranks', ({ ranks }) => formatCount(ranks)),
  number('batches', 'Batches', ({ batches }) => formatCount(batches)),
  number('non_finite', 'Non-finite steps', ({ non_finite_steps: steps }) => formatCount(steps)),
  { ...number('created', 'Created', ({ created_at: time }) => <Ago time={time} />), class: 'number muted' },
  { ...number('updated', 'Updated', ({ updated_at: time }) => <Ago time={time} />), class: 'number muted' },
];

/** Prefix of the id of a label's column. */
const LABEL = 'label:';

/** Names of the labels of runs, sorted. */
export const labelNamesOf = (runs: readonly RunSummary[]): string[] =>
  [...new Set(runs.flatMap(({ labels }) => Object.keys(labels)))].toSorted();

/** Tags of runs, sorted. */
export const tagsOf = (runs: readonly RunSummary[]): string[] =>
  [...new Set(runs.flatMap(({ tags }) => tags))].toSorted();

/** Lists all columns: one for each label, then the fixed columns. */
export function columnsOf(labelNames: readonly string[]): Column[] {
  const labels = labelNames.map((name) => ({
    id: LABEL + name,
    title: name,
    class: 'label-cell',
    cell: ({ labels }: RunSummary) => (name in labels ? String(labels[name]) : '–'),
  }));
  return [...labels, ...COLUMNS];
}
