import type { Label } from '../api/types.ts';

export function Labels({ labels }: { labels: Record<string, Label> }) {
  const entries = Object.entries(labels);
  if (entries.length === 0) return null;
  return (
    <ul class="labels" aria-label="Labels">
      {entries.map(([name, value]) => (
        <li key={name}>
          <span class="label-name">{name}</span> {String(value)}
        </li>
      ))}
    </ul>
  );
}
