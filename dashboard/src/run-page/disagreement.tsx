import type { Disagreement as Finding } from '../api/types.ts';
import { formatCount } from '../format/numbers.ts';
import { BadgedList } from '../ui/badged-list.tsx';

type Severity = 'error' | 'warning';

/** Severity and title of each kind. An error means a wrong batch; a warning, a loss far from the expected one. */
const KINDS: Record<Finding['kind'], [Severity, words: string]> = {
  declared_loss_differs: ['warning', 'The declared loss differs'],
  rank_apart: ['warning', 'A rank differs from the others'],
  same_batch: ['error', 'Several ranks have the same batch'],
  stale_labels: ['error', 'The labels are stale'],
};

/** Findings about batches of a step that disagree. */
export function Disagreement({ findings }: { findings: readonly Finding[] }) {
  const items = findings.map(({ kind, summary }) => {
    const [severity, title] = KINDS[kind];
    return {
      key: summary,
      kind: severity === 'error' ? 'bad' : 'warn',
      badge: severity,
      title,
      text: summary,
    } as const;
  });
  return (
    <section class="detail-part" aria-labelledby="disagreement-title">
      <h3 id="disagreement-title">
        Disagreement <span class="muted">{formatCount(findings.length)}</span>
      </h3>
      <BadgedList label="Findings of the step" items={items} />
    </section>
  );
}
