import type { Cause, Diagnostics, Place, WorstRow } from '../api/types.ts';
import { wordsOfCause } from '../format/causes.ts';
import { formatCount, formatLoss, plural } from '../format/numbers.ts';

/** Faults of a batch and their places, as far as they are known. */
export function DiagnosticsView({ diagnostics }: { diagnostics: Diagnostics }) {
  const { verdict, summary, causes, logits, locations = [], worst_rows: worst = [] } = diagnostics;
  return (
    <div class="diagnostics">
      <p class={`summary ${verdict === 'finite' ? 'good' : 'bad'}`}>{summary}</p>
      {causes.length > 0 && <Causes causes={causes} />}
      {logits !== undefined && logits.bad_rows > 0 && (
        <p class="muted">
          {plural(logits.nan, 'NaN logit')}, {formatCount(logits.pos_inf)} +Inf, {formatCount(logits.neg_inf)} −Inf in{' '}
          {plural(logits.bad_rows, 'row')}
          {logits.max !== undefined && `; the greatest finite one is ${formatLoss(logits.max)}`}
        </p>
      )}
      {diagnostics.float16?.hint !== undefined && <p class="warn-text">{diagnostics.float16.hint}</p>}
      {locations.length > 0 && <Locations locations={locations} />}
      {worst.length > 0 && <WorstRows rows={worst} />}
    </div>
  );
}

function Causes({ causes }: { causes: readonly Cause[] }) {
  return (
    <ul class="causes">
      {causes.map(({ cause, rows, first }) => (
        <li key={cause}>
          <strong>{wordsOfCause(cause)}</strong> <code>{cause}</code> {rows > 0 && `in ${plural(rows, 'row')}`}
          {first !== undefined && `, first at row ${formatCount(first.row)}, class ${formatCount(first.column)}`}
        </li>
      ))}
    </ul>
  );
}

function Locations({ locations }: { locations: readonly Place[] }) {
  return (
    <details>
      <summary>{plural(locations.length, 'location')}</summary>
      <table>
        <thead>
          <tr>
            <th scope="col" class="number">
              Row
            </th>
            <th scope="col" class="number">
              Class
            </th>
            <th scope="col">Value</th>
            <th scope="col">Note</th>
          </tr>
        </thead>
        <tbody>
          {locations.map(({ row, column, value, is_label: isLabel, masked }) => (
            <tr key={`${row} ${column}`}>
              <td class="number">{formatCount(row)}</td>
              <td class="number">{formatCount(column)}</td>
              <td class="bad-text">{formatLoss(value)}</td>
              <td>{[isLabel && 'the label', masked && 'left out'].filter(Boolean).join(', ')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

function WorstRows({ rows }: { rows: readonly WorstRow[] }) {
  const greatest = Math.max(0, ...rows.map(({ loss }) => loss).filter(Number.isFinite));
  return (
    <details>
      <summary>Worst rows</summary>
      <table>
        <thead>
          <tr>
            <th scope="col" class="number">
              Row
            </th>
            <th scope="col" class="number">
              Label
            </th>
            <th scope="col" class="number">
              Loss
            </th>
            <th scope="col" class="bar-column">
              <span class="hidden">Loss, drawn</span>
            </th>
            <th scope="col" class="number">
              Rank of the label
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ row, label, loss, target_rank: rank }) => (
            <tr key={row}>
              <td class="number">{formatCount(row)}</td>
              <td class="number">{formatCount(label)}</td>
              <td class={Number.isFinite(loss) ? 'number' : 'number bad-text'}>{formatLoss(loss)}</td>
              <td class="bar-column">
                <LossBar share={Number.isFinite(loss) && greatest > 0 ? loss / greatest : undefined} />
              </td>
              <td class="number">{rank === undefined || rank < 0 ? '–' : formatCount(rank)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

/** A bar; striped over its whole length where there is no number. */
function LossBar({ share }: { share: number | undefined }) {
  return (
    <svg viewBox="0 0 100 8" preserveAspectRatio="none" class="loss-bar" aria-hidden="true">
      <rect class={share === undefined ? 'none' : 'value'} width={100 * (share ?? 1)} height="8" rx="2" />
    </svg>
  );
}
