import type { Cause, Diagnostics, WorstRow } from '../api/types.ts';
import { wordsOfCause } from '../format/causes.ts';
import { formatCount, formatLoss, plural } from '../format/numbers.ts';
import { Locations } from './locations.tsx';
import { LossBar } from './loss-bar.tsx';

/** Faults of a batch and their known locations. */
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
              <span class="hidden">Loss as a bar</span>
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
