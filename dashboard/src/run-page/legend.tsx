import { formatLoss } from '../format/numbers.ts';
import { formatHash } from '../routing/hash.ts';
import type { Curve } from '../series/curve.ts';

interface Properties {
  curves: readonly Curve[];
  runs: readonly { run: string; isLoaded: boolean; error?: unknown }[];
  /** True when earlier attempts are drawn. */
  hasBranches: boolean;
  onRemove: (run: string) => void;
}

/** Meaning of colours and markers. */
export function Legend({ curves, runs, hasBranches, onRemove }: Properties) {
  const kinds = new Set(curves.flatMap(({ markers }) => markers.map(({ kind }) => kind)));
  return (
    <ul class="legend" aria-label="Legend">
      {curves.map(({ run, points }, k) => (
        <li key={run}>
          <span class={`swatch curve-${k}`} aria-hidden="true" />
          {k === 0 ? <strong>{run}</strong> : <a href={formatHash(['runs', run])}>{run}</a>}
          <span class="muted">{stateOf(runs[k]!) ?? formatLoss(points.at(-1)?.loss)}</span>
          {k > 0 && (
            <button type="button" class="quiet" aria-label={`Take ${run} away`} onClick={() => onRemove(run)}>
              ×
            </button>
          )}
        </li>
      ))}
      {hasBranches && (
        <li class="muted">
          <span class="swatch curve-old" aria-hidden="true" /> earlier attempts
        </li>
      )}
      {kinds.has('nan') && <li class="mark bad-text">✕ NaN</li>}
      {kinds.has('bad_batch') && <li class="mark bad-text">✕ non-finite batch</li>}
      {kinds.has('pos_inf') && <li class="mark bad-text">▲ +Inf</li>}
      {kinds.has('neg_inf') && <li class="mark bad-text">▼ −Inf</li>}
      {kinds.has('spike') && <li class="mark warn-text">◆ spike</li>}
    </ul>
  );
}

/** State of a run whose last loss is not known. */
function stateOf({ isLoaded, error }: { isLoaded: boolean; error?: unknown }): string | undefined {
  if (error !== undefined) return 'cannot be read';
  return isLoaded ? undefined : 'loading…';
}
