import type { ComponentChildren } from 'preact';
import type { RunSummary } from '../api/types.ts';
import { formatCount, formatLoss } from '../format/numbers.ts';
import { formatHash } from '../routing/hash.ts';
import { STANDARD_VIEW, formatView } from '../runs-page/address.ts';
import { Ago } from '../ui/ago.tsx';
import { Badge, StateBadge, StatusBadge } from '../ui/badge.tsx';
import { CopyLink } from '../ui/copy-link.tsx';
import { Labels } from '../ui/labels.tsx';
import { Tags } from '../ui/tags.tsx';
import type { Connection } from './live-run.ts';
import { Notes } from './notes.tsx';

interface Properties {
  run: string;
  summary: RunSummary | undefined;
  connection: Connection;
}

export function RunHead({ run, summary, connection }: Properties) {
  return (
    <header class="run-head">
      <div class="run-title">
        <nav aria-label="Breadcrumb" class="breadcrumb">
          <a href="#/">Runs</a> <span aria-hidden="true">/</span>
        </nav>
        <h1>{run}</h1>
        {summary !== undefined && <Life summary={summary} />}
        <ConnectionBadge connection={connection} />
        {summary !== undefined && (
          <>
            <Tags tags={summary.tags} hrefOf={hrefOfTag} />
            <Labels labels={summary.labels} />
          </>
        )}
        <CopyLink />
      </div>
      {summary !== undefined && <Notes notes={summary.notes} />}
      <Numbers summary={summary} />
    </header>
  );
}

/** Address of the list of the runs with a tag. */
const hrefOfTag = (tag: string): string => formatHash([], formatView({ ...STANDARD_VIEW, tags: [tag] }));

function Life({ summary: { status, state, archived } }: { summary: RunSummary }) {
  return (
    <>
      <StatusBadge status={status} />
      {/* The status already says idle. */}
      {state !== 'idle' && <StateBadge state={state} />}
      {archived && <Badge kind="plain">archived</Badge>}
    </>
  );
}

const CONNECTIONS: Record<Connection, ['good' | 'warn' | 'bad' | 'plain', string]> = {
  connecting: ['plain', 'connecting…'],
  live: ['good', 'live'],
  lost: ['warn', 'connection lost, trying again'],
  refused: ['bad', 'live updates refused'],
  deleted: ['bad', 'this run was deleted'],
};

function ConnectionBadge({ connection }: { connection: Connection }) {
  const [kind, text] = CONNECTIONS[connection];
  return (
    <span role="status" data-connection={connection}>
      <Badge kind={kind}>{text}</Badge>
    </span>
  );
}

/** Numbers of a run. A number that is not yet known keeps its space. */
function Numbers({ summary }: { summary: RunSummary | undefined }) {
  const atStep = (step: number | undefined): string => (step === undefined ? NO_NOTE : `step ${formatCount(step)}`);
  const count = (value: number | undefined): string => (value === undefined ? '…' : formatCount(value));
  const { expected_ranks: expected, non_finite_steps: nonFinite = 0 } = summary ?? {};
  return (
    <dl class="numbers">
      <Figure name="Last loss" note={atStep(summary?.last_step)}>
        {summary === undefined ? '…' : formatLoss(summary.last_loss)}
      </Figure>
      <Figure name="Best loss" note={atStep(summary?.best_step)}>
        {summary === undefined ? '…' : formatLoss(summary.best_loss)}
      </Figure>
      <Figure name="Steps" note={summary === undefined ? NO_NOTE : `${formatCount(summary.batches)} batches`}>
        {count(summary?.steps)}
      </Figure>
      <Figure name="Ranks" note={expected === undefined ? NO_NOTE : `of ${formatCount(expected)}`}>
        {count(summary?.ranks)}
      </Figure>
      <Figure name="Non-finite steps" isBad={nonFinite > 0}>
        {count(summary?.non_finite_steps)}
      </Figure>
      <Figure name="Updated">{summary === undefined ? '…' : <Ago time={summary.updated_at} />}</Figure>
    </dl>
  );
}

/** Placeholder with the height of a note. */
const NO_NOTE = '\u00a0';

interface FigureProperties {
  name: string;
  note?: string;
  isBad?: boolean;
  children: ComponentChildren;
}

function Figure({ name, note, isBad = false, children }: FigureProperties) {
  return (
    <div class={isBad ? 'bad-text' : undefined}>
      <dt>{name}</dt>
      <dd>
        {children} {note !== undefined && <small>{note}</small>}
      </dd>
    </div>
  );
}
