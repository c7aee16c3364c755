import { getReruns } from '../api/runs.ts';
import { formatCount, plural } from '../format/numbers.ts';
import type { BadgeKind } from '../ui/badge.tsx';
import { BadgedList } from '../ui/badged-list.tsx';
import { useLoaded } from '../ui/loaded.ts';
import { ProblemNotice } from '../ui/problem-notice.tsx';
import { MEANINGS, countVerdicts, describeRerun, worstFirst } from './verdicts.ts';
import type { Verdict } from './verdicts.ts';

interface Properties {
  run: string;
  step: number;
  /** Changes with each recording of the step. */
  revision: string;
}

const KINDS: Record<Verdict, BadgeKind> = {
  persistent: 'bad',
  transient: 'bad',
  undetermined: 'plain',
  correct: 'good',
};

/** Micro-batches of a step that were recorded in several attempts, with a verdict on their results. */
export function Reruns({ run, step, revision }: Properties) {
  const { value: page, error } = useLoaded((signal) => getReruns(run, step, signal), [run, step, revision]);
  if (error !== undefined) return <ProblemNotice error={error} />;
  if (page === undefined || page.reruns.length === 0) return null;
  const { reruns, hasMore } = page;
  const items = worstFirst(reruns).map((rerun) => {
    const { rank, micro_batch: microBatch, verdict } = rerun;
    const title = `Rank ${rank}, micro-batch ${microBatch}`;
    return { key: title, kind: KINDS[verdict], badge: verdict, title, text: describeRerun(rerun) };
  });
  return (
    <section class="detail-part" aria-labelledby="reruns-title">
      <h3 id="reruns-title">
        Reruns <span class="muted">{formatCount(reruns.length)}</span>
      </h3>
      <ul aria-label="Verdicts">
        {countVerdicts(reruns).map(([verdict, count]) => (
          <li key={verdict}>
            {plural(count, 'micro-batch', 'micro-batches')} {verdict}: {MEANINGS[verdict]}
          </li>
        ))}
      </ul>
      <BadgedList label="Micro-batches in several attempts" items={items} />
      {hasMore && <p class="muted small">The first {formatCount(reruns.length)} are shown.</p>}
    </section>
  );
}
