import type { ComparisonDiagnostics } from '../api/types.ts';
import { wordsOfCause } from '../format/causes.ts';
import { formatCount, plural } from '../format/numbers.ts';
import { Locations } from '../ui/locations.tsx';

/** Faults of both sets of logits and their places. */
export function SideDiagnostics({ diagnostics }: { diagnostics: ComparisonDiagnostics }) {
  const { verdict, summary, causes, nan_rows: nanRows, truncated } = diagnostics;
  const sides = [
    ['logits', diagnostics.logits],
    ['reference', diagnostics.reference],
  ] as const;
  return (
    <div class="diagnostics">
      <p class={`summary ${verdict === 'finite' ? 'good' : 'bad'}`}>{summary}</p>
      {causes.length > 0 && (
        <ul class="causes">
          {causes.map(({ side, cause, rows, first }) => (
            <li key={`${side} ${cause}`}>
              {side}: <strong>{wordsOfCause(cause)}</strong> <code>{cause}</code>{' '}
              {rows > 0 && `in ${plural(rows, 'row')}`}
              {first !== undefined && `, first at row ${formatCount(first.row)}, class ${formatCount(first.column)}`}
            </li>
          ))}
        </ul>
      )}
      {nanRows > 0 && <p class="muted">{plural(nanRows, 'row')} with NaN left out of percentiles and extremes</p>}
      {truncated && (
        <p class="muted">Small terms of the reference are left out: the divergence may be slightly negative.</p>
      )}
      {sides.map(
        ([side, report]) =>
          report !== undefined && (
            <>
              {(report.float16 ?? report.float8)?.hint !== undefined && (
                <p class="warn-text">
                  {side}: {(report.float16 ?? report.float8)!.hint}
                </p>
              )}
              {report.locations !== undefined && report.locations.length > 0 && (
                <Locations locations={report.locations} of={side} />
              )}
            </>
          ),
      )}
    </div>
  );
}
