import { useMemo } from 'preact/hooks';
import { formatCount, formatLoss, formatPower, plural } from '../format/numbers.ts';
import { stretchesOf } from './stretches.ts';
import type { Stretch } from './stretches.ts';

const MOST_STRETCHES = 240;
const HEIGHT = 120;
const WIDTH = 10;
/** Height of the strip below the bars that marks differing predictions. */
const STRIP = 14;
/** Most decades that the axis shows. */
const DECADES = 12;

/** Divergence by position. A bar shows the greatest of a stretch of rows; a mark below it, differing predictions. */
export function PositionChart({ divergence, agreement }: { divergence: Float64Array; agreement: Int32Array }) {
  const stretches = useMemo(() => stretchesOf(divergence, agreement, MOST_STRETCHES), [divergence, agreement]);
  if (stretches.length === 0) return null;
  const [low, high] = axisOf(stretches);
  const heightOf = (value: number): number =>
    value <= 0 ? 0 : Math.max(2, ((Math.log10(value) - low) / (high - low)) * HEIGHT);
  const differing = stretches.reduce((sum, stretch) => sum + stretch.differing, 0);
  const nonFinite = stretches.reduce((sum, stretch) => sum + stretch.nonFinite, 0);
  const rows = divergence.length;
  return (
    <figure class="comparison-chart">
      <figcaption>
        <h3>Divergence by position</h3>
        <p class="muted small">
          Each bar is the greatest divergence of {plural(Math.ceil(rows / stretches.length), 'row')}, from{' '}
          {formatPower(10 ** low)} to {formatPower(10 ** high)} nats, logarithmic.
        </p>
      </figcaption>
      <svg
        viewBox={`0 0 ${stretches.length * WIDTH} ${HEIGHT + STRIP}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`Divergence of ${plural(rows, 'row')} by position; predictions differ in ${plural(differing, 'row')}, ${plural(nonFinite, 'row')} not finite`}
      >
        {stretches.map((stretch, k) => {
          const isBad = stretch.nonFinite > 0;
          const height = isBad ? HEIGHT : heightOf(stretch.greatest);
          const share = stretch.differing / (stretch.last - stretch.first + 1);
          return (
            <g key={stretch.first}>
              <title>{describe(stretch)}</title>
              <rect class={isBad ? 'bad' : 'bin'} x={k * WIDTH} y={HEIGHT - height} width={WIDTH - 1} height={height} />
              {share > 0 && (
                <rect
                  class="worst"
                  x={k * WIDTH}
                  y={HEIGHT + 4}
                  width={WIDTH - 1}
                  height={STRIP - 4}
                  opacity={0.35 + 0.65 * share}
                />
              )}
            </g>
          );
        })}
      </svg>
      <p class="chart-ends muted small">
        <span>row 0</span>
        <span>row {formatCount(rows - 1)}</span>
      </p>
      <p class="batch-legend muted small">
        <span class="swatch bad" aria-hidden="true" /> not finite
        <span class="swatch worst" aria-hidden="true" /> predictions differ
      </p>
    </figure>
  );
}

/** Exponents of the ends of the axis, at powers of ten. */
function axisOf(stretches: readonly Stretch[]): [low: number, high: number] {
  const shown = stretches.map(({ greatest }) => greatest).filter((value) => value > 0);
  if (shown.length === 0) return [-1, 0];
  const high = Math.ceil(Math.log10(Math.max(...shown)));
  const low = Math.floor(Math.log10(Math.min(...shown)));
  return [Math.max(high - DECADES, Math.min(low, high - 1)), high];
}

function describe({ first, last, greatest, nonFinite, differing }: Stretch): string {
  const rows = first === last ? `row ${formatCount(first)}` : `rows ${formatCount(first)} to ${formatCount(last)}`;
  return `${rows}: ${formatLoss(greatest)} nats at most; ${formatCount(nonFinite)} not finite; predictions differ in ${formatCount(differing)}`;
}
