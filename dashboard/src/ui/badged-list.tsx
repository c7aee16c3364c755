import { Badge } from './badge.tsx';
import type { BadgeKind } from './badge.tsx';

interface Item {
  key: string;
  kind: BadgeKind;
  badge: string;
  title: string;
  text: string;
}

/** List of items with a badge, a title and a text each. A long list scrolls. */
export function BadgedList({ label, items }: { label: string; items: readonly Item[] }) {
  return (
    <div class="scroll badged-list" role="group" aria-label={label} tabIndex={0}>
      <ul>
        {items.map(({ key, kind, badge, title, text }) => (
          <li key={key}>
            <Badge kind={kind}>{badge}</Badge> <strong>{title}</strong>
            <p class="muted">{text}</p>
          </li>
        ))}
      </ul>
    </div>
  );
}
