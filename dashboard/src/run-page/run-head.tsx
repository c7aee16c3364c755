import type { ComponentChildren } from 'preact';
import type { RunSummary } from '../api/types.ts';
import { formatCount, formatLoss } from '../format/numbers.ts';
import { Ago } from '../ui/ago.tsx';
import { Badge, StatusBadge } from '../ui/badge.tsx';
import { CopyLink } from '../ui/copy-link.tsx';
import { Labels } from '../ui/labels.tsx';
import type { Connection } from './live-run.ts';

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
        {summary !== undefined && <StatusBadge status={summary.status} />}
        <ConnectionBadge connection={connection} />
        <CopyLink />
      </div>
      {summary !== undefined && (
        <>
          <Labels labels={summary.labels} />
          <Numbers summary={summary} />
        </>
      )}
    </header>
  );
}

const CONNECTIONS: Record<Connection, ['good' | 'warn' | 'bad' | 'plain', string]> = {
  connecting: ['plain', 'connecting…'],
  live: ['good', 'live'],
  lost: ['warn', 'connection lost, trying again'],
  refused: ['bad', 'not followed'],
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

function Numbers({ summary }: { summary: RunSummary }) {
  const { ranks, expected_ranks: expected, non_finite_steps: nonFinite } = summary;
  return (
    <dl class="numbers">
      <Figure name="Last loss" note={summary.last_step !== undefined && `step ${formatCount(summary.last_step)}`}>
        {formatLoss(summary.last_loss)}
      </Figure>
      <Figure name="Best loss" note={summary.best_step !== undefined && `step ${formatCount(summary.best_step)}`}>
        {formatLoss(summary.best_loss)}
      </Figure>
      <Figure name="Steps" note={`${formatCount(summary.batches)} batches`}>
        {formatCount(summary.steps)}
      </Figure>
      <Figure name="Ranks" note={expected !== undefined && `of ${formatCount(expected)}`}>
        {formatCount(ranks)}
      </Figure>
      <Figure name="Non-finite steps" isBad={nonFinite > 0}>
        {formatCount(nonFinite)}
      </Figure>
      <Figure name="Updated">
        <Ago time={summary.updated_at} />
      </Figure>
    </dl>
  );
}

interface FigureProperties {
  name: string;
  note?: string | false | undefined;
  isBad?: boolean;
  children: ComponentChildren;
}

function Figure({ name, note, isBad = false, children }: FigureProperties) {
  return (
    <div class={isBad ? 'bad-text' : undefined}>
      <dt>{name}</dt>
      <dd>
        {children} {note !== undefined && note !== false && <small>{note}</small>}
      </dd>
    </div>
  );
}
