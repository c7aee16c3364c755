import { useMemo } from 'preact/hooks';
import { formatCount, formatLoss, plural } from '../format/numbers.ts';
import { histogramOf } from './bins.ts';

const HEIGHT = 120;
const BIN_WIDTH = 10;

/** Histogram of the divergence, with its bins as a table for screen readers. */
export function HistogramView({ divergence, counted }: { divergence: Float64Array; counted: number }) {
  const { bins, zero, nonFinite } = useMemo(() => histogramOf(divergence, counted), [divergence, counted]);
  const most = Math.max(...bins.map(({ count }) => count));
  const apart = [
    ...(zero > 0 ? [`${plural(zero, 'row')} of divergence 0`] : []),
    ...(nonFinite > 0 ? [`${plural(nonFinite, 'row')} that ${nonFinite === 1 ? 'is' : 'are'} not finite`] : []),
  ];
  return (
    <figure class="comparison-chart">
      <figcaption>
        <h3>Rows by divergence</h3>
        <p class="muted small">
          {bins.length > 0 && `Logarithmic bins; the highest bar has ${plural(most, 'row')}. `}
          {apart.length > 0 && `Outside of the bins: ${apart.join(', ')}.`}
        </p>
      </figcaption>
      {bins.length > 0 && (
        <>
          <svg
            viewBox={`0 0 ${bins.length * BIN_WIDTH} ${HEIGHT}`}
            preserveAspectRatio="none"
            role="img"
            aria-label={`Histogram of ${bins.length} bins from ${formatLoss(bins[0]!.from)} to ${formatLoss(bins.at(-1)!.to)} nats; the fullest has ${plural(most, 'row')}`}
          >
            {bins.map(({ from, to, count }, k) => {
              const height = count === 0 ? 0 : Math.max(2, (count / most) * HEIGHT);
              return (
                <rect
                  key={from}
                  class="bin"
                  x={k * BIN_WIDTH + 1}
                  y={HEIGHT - height}
                  width={BIN_WIDTH - 2}
                  height={height}
                >
                  <title>{`${formatLoss(from)} to ${formatLoss(to)}: ${plural(count, 'row')}`}</title>
                </rect>
              );
            })}
          </svg>
          <p class="chart-ends muted small">
            <span>{formatLoss(bins[0]!.from)}</span>
            <span>{formatLoss(bins.at(-1)!.to)} nats</span>
          </p>
          <details>
            <summary>Bins of the histogram</summary>
            <table>
              <thead>
                <tr>
                  <th scope="col" class="number">
                    From
                  </th>
                  <th scope="col" class="number">
                    To
                  </th>
                  <th scope="col" class="number">
                    Rows
                  </th>
                </tr>
              </thead>
              <tbody>
                {bins.map(({ from, to, count }) => (
                  <tr key={from}>
                    <td class="number">{formatLoss(from)}</td>
                    <td class="number">{formatLoss(to)}</td>
                    <td class="number">{formatCount(count)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </details>
        </>
      )}
    </figure>
  );
}
