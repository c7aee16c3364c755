import type { ComponentChildren } from 'preact';

export function Badge({ kind, children }: { kind: 'bad' | 'warn' | 'good' | 'plain'; children: ComponentChildren }) {
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
