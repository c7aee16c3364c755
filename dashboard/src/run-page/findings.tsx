import { wordsOfCause } from '../format/causes.ts';
import { formatCount, formatLoss } from '../format/numbers.ts';
import type { Curve } from '../series/curve.ts';

/** Most findings in the list of a run. A run that has diverged has a finding at every step. */
const MOST_SHOWN = 100;

interface ChosenStep {
  run: string;
  step: number;
}

interface Properties {
  /** Curves, one for each run. */
  curves: readonly Curve[];
  /** Number of steps of each run; undefined until it is known. */
  steps: readonly (number | undefined)[];
  selected: ChosenStep | undefined;
  onSelect: (step: number, run: string) => void;
}

/** Marked steps of each curve as a list, the newest first. */
export function Findings({ curves, steps, selected, onSelect }: Properties) {
  const isLoaded = curves.every((curve) => curve.isLoaded);
  const count = curves.reduce((sum, { markers }) => sum + markers.length, 0);
  return (
    <section class="card findings" aria-labelledby="findings-title">
      <h2 id="findings-title">
        Findings <span class="muted">{isLoaded ? formatCount(count) : 'loading…'}</span>
      </h2>
      <div class="finding-lists" tabIndex={0} role="group" aria-label="Findings by run">
        {curves.map((curve, k) => (
          <div key={curve.run}>
            {curves.length > 1 && (
              <h3>
                <span class={`swatch curve-${curve.colour}`} aria-hidden="true" /> {curve.run}{' '}
                <span class="muted">{curve.isLoaded ? formatCount(curve.markers.length) : 'loading…'}</span>
              </h3>
            )}
            <FindingsOf {...{ curve, selected, onSelect }} steps={steps[k]} isCompared={curves.length > 1} />
          </div>
        ))}
      </div>
    </section>
  );
}

interface OneProperties extends Pick<Properties, 'selected' | 'onSelect'> {
  curve: Curve;
  steps: number | undefined;
  /** True when other runs are compared with it. */
  isCompared: boolean;
}

function FindingsOf({ curve, steps, isCompared, selected, onSelect }: OneProperties) {
  const { run, points, markers, isLoaded } = curve;
  const shown = markers.slice(-MOST_SHOWN).toReversed();
  return (
    <>
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
                aria-pressed={step === selected?.step && run === selected.run}
                onClick={() => onSelect(step, run)}
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
        <p class="muted small">The newest {MOST_SHOWN} are shown; the download has all of them.</p>
      )}
    </>
  );
}

/** Describes a curve without markers. It names the run when several are shown, and says when not all steps are drawn. */
function describe({ run, points }: Curve, steps: number, isCompared: boolean): string {
  if (points.length === 0) return steps === 0 ? 'No step is recorded.' : '';
  const which = `${isCompared ? ` of ${run}` : ''}${points.length < steps ? ' that is drawn' : ''}`;
  return `Every loss${which} is finite, and none is a spike.`;
}
