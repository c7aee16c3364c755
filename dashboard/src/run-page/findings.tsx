import { wordsOfCause } from '../format/causes.ts';
import { formatCount, formatLoss } from '../format/numbers.ts';
import type { Curve } from '../series/curve.ts';

/** More than anybody reads; a run that has diverged has a finding at every step. */
const MOST_SHOWN = 100;

interface Properties {
  curve: Curve;
  /** True when the curve is that of the whole run. */
  isLoaded: boolean;
  /** Steps of the run; undefined until they are known. */
  steps: number | undefined;
  /** True when other runs are compared with it. */
  isCompared: boolean;
  selected: number | undefined;
  onSelect: (step: number) => void;
}

/** The steps that are marked in the curve, as a list: the newest first. */
export function Findings({ curve, isLoaded, steps, isCompared, selected, onSelect }: Properties) {
  const { points, markers } = curve;
  const shown = markers.slice(-MOST_SHOWN).toReversed();
  return (
    <section class="card findings" aria-labelledby="findings-title">
      <h2 id="findings-title">
        Findings <span class="muted">{isLoaded ? formatCount(markers.length) : 'loading…'}</span>
      </h2>
      {markers.length === 0 && isLoaded && steps !== undefined && (
        <p class="muted">{describe(curve, steps, isCompared)}</p>
      )}
      <ol>
        {shown.map(({ kind, index }) => {
          const { step, loss, causes = [], summary } = points[index]!;
          const text = kind === 'spike' ? 'spike' : causes.map(wordsOfCause).join(', ') || 'not finite';
          return (
            <li key={step}>
              <button
                type="button"
                class={kind === 'spike' ? 'warn' : 'bad'}
                aria-pressed={step === selected}
                onClick={() => onSelect(step)}
              >
                <span class="finding-head">
                  <strong>Step {formatCount(step)}</strong>
                  <span class="finding-loss">{formatLoss(loss)}</span>
                </span>
                <span class="finding-text">{summary ?? text}</span>
              </button>
            </li>
          );
        })}
      </ol>
      {markers.length > shown.length && (
        <p class="muted small">The newest {MOST_SHOWN}; the download has all of them.</p>
      )}
    </section>
  );
}

/** Describes a curve without markers. It names the run where others are compared, and the steps when not all are drawn. */
function describe({ run, points }: Curve, steps: number, isCompared: boolean): string {
  if (points.length === 0) return steps === 0 ? 'No step is recorded.' : '';
  const which = `${isCompared ? ` of ${run}` : ''}${points.length < steps ? ' that is drawn' : ''}`;
  return `Every loss${which} is finite, and none is a spike.`;
}
