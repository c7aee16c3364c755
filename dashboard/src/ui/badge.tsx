import type { ComponentChildren } from 'preact';
import type { RunState } from '../api/run-query.ts';

export type BadgeKind = 'bad' | 'warn' | 'good' | 'plain';

export function Badge({ kind, children }: { kind: BadgeKind; children: ComponentChildren }) {
  return <span class={`badge ${kind}`}>{children}</span>;
}

export function StatusBadge({ status }: { status: 'active' | 'idle' }) {
  return (
    <span class={`status ${status}`}>
      <span class="dot" aria-hidden="true" />
      {status}
    </span>
  );
}

const STATE_KINDS: Record<RunState, BadgeKind> = {
  running: 'good',
  finished: 'plain',
  failed: 'bad',
  crashed: 'bad',
  idle: 'plain',
};

/** State of a run. Its trainer reports it, or the service infers it from silence. */
export function StateBadge({ state }: { state: RunState }) {
  return <Badge kind={STATE_KINDS[state]}>{state}</Badge>;
}
