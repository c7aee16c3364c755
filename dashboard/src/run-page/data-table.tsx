import { useState } from 'preact/hooks';
import { wordsOfCause } from '../format/causes.ts';
import { formatCount, formatLoss, plural } from '../format/numbers.ts';
import { formatMoment } from '../format/times.ts';
import type { Curve } from '../series/curve.ts';

const ROWS = 50;

interface Properties {
  curve: Curve;
  /** True when the curve of the whole run is loaded. */
  isLoaded: boolean;
  onSelect: (step: number) => void;
}

/** Data of the chart as a table in pages, the newest first. */
export function DataTable({ curve: { points }, isLoaded, onSelect }: Properties) {
  const [isOpen, setIsOpen] = useState(false);
  const [page, setPage] = useState(0);
  const last = Math.max(0, Math.ceil(points.length / ROWS) - 1);
  const shown = Math.min(page, last);
  const end = points.length - shown * ROWS;
  return (
    <details class="data" onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary>The curve as a table ({isLoaded ? plural(points.length, 'point') : 'loading…'})</summary>
      {isOpen && (
        <>
          <div class="scroll" tabIndex={0} role="region" aria-label="Steps">
            <table>
              <thead>
                <tr>
                  <th scope="col">Step</th>
                  <th scope="col">Loss</th>
                  <th scope="col">Lowest of ranks</th>
                  <th scope="col">Highest of ranks</th>
                  <th scope="col">Recorded</th>
                  <th scope="col">Finding</th>
                </tr>
              </thead>
              <tbody>
                {points
                  .slice(Math.max(0, end - ROWS), end)
                  .toReversed()
                  .map(({ step, loss, rank_losses: range, recorded_at: recordedAt, causes, spike }) => (
                    <tr key={step}>
                      <th scope="row">
                        <button type="button" class="link" onClick={() => onSelect(step)}>
                          {formatCount(step)}
                        </button>
                      </th>
                      <td>{formatLoss(loss)}</td>
                      <td>{formatLoss(range?.min)}</td>
                      <td>{formatLoss(range?.max)}</td>
                      <td>{recordedAt !== undefined && formatMoment(recordedAt)}</td>
                      <td>{causes?.map(wordsOfCause).join(', ') ?? (spike ? 'spike' : '')}</td>
                    </tr>
                  ))}
              </tbody>
            </table>
          </div>
          <div class="pager">
            <button type="button" disabled={shown === 0} onClick={() => setPage(shown - 1)}>
              Newer
            </button>
            <span class="muted">
              {shown + 1} of {last + 1}
            </span>
            <button type="button" disabled={shown === last} onClick={() => setPage(shown + 1)}>
              Older
            </button>
          </div>
        </>
      )}
    </details>
  );
}
