import type { Diagnostics, Evaluation } from '../api/types.ts';
import { formatCount } from '../format/numbers.ts';

const WIDTH = 1000;

/** Band of the rows of a batch, with findings marked at their rows. Below it, counts of counted and left-out rows. */
export function BatchMap({ rows, diagnostics }: { rows: Evaluation['rows']; diagnostics: Diagnostics }) {
  const { locations = [], worst_rows: worst = [] } = diagnostics;
  const left = (row: number): number => (rows.total > 1 ? (row / (rows.total - 1)) * (WIDTH - 8) : WIDTH / 2);
  const fates = [
    ['counted', rows.counted],
    ['ignored', rows.ignored],
    ['masked', rows.masked],
  ] as const;
  return (
    <div class="batch-map">
      <svg
        viewBox={`0 0 ${WIDTH} 44`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${formatCount(rows.total)} rows; ${locations.length} non-finite values and ${worst.length} worst rows are marked`}
      >
        <rect class="band" y="8" width={WIDTH} height="28" rx="4" />
        {worst.map(({ row }) => (
          <rect key={`worst ${row}`} class="worst" x={left(row)} y="8" width="8" height="28" />
        ))}
        {locations.map(({ row, column, masked }) => (
          <rect
            key={`${row} ${column}`}
            class={masked ? 'left-out' : 'bad'}
            x={left(row)}
            y="2"
            width="8"
            height="40"
            rx="2"
          />
        ))}
      </svg>
      <p class="batch-ends muted small">
        <span>row 0</span>
        <span class="batch-legend">
          <span class="swatch bad" aria-hidden="true" /> not finite
          <span class="swatch worst" aria-hidden="true" /> greatest loss
        </span>
        <span>row {formatCount(Math.max(0, rows.total - 1))}</span>
      </p>
      <ul class="fates">
        {fates
          .filter(([name, count]) => count > 0 || name === 'counted')
          .map(([name, count]) => (
            <li key={name}>
              <strong>{formatCount(count)}</strong> {name}
            </li>
          ))}
      </ul>
    </div>
  );
}
