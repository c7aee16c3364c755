import type { DivergentRow } from '../api/types.ts';
import { formatCount, formatLoss } from '../format/numbers.ts';
import { LossBar } from '../ui/loss-bar.tsx';

/** Table of the rows of greatest divergence, with the predictions of both sides. */
export function DivergentRows({ rows }: { rows: readonly DivergentRow[] }) {
  if (rows.length === 0) return null;
  const greatest = Math.max(0, ...rows.map(({ kl_divergence: kl }) => kl).filter(Number.isFinite));
  const hasLabels = rows[0]!.label !== undefined;
  return (
    <div>
      <h3 id="divergent-rows">Rows of greatest divergence</h3>
      <div class="scroll" tabIndex={0} role="region" aria-labelledby="divergent-rows">
        <table>
          <thead>
            <tr>
              <th scope="col" class="number">
                Row
              </th>
              <th scope="col" class="number">
                Divergence
              </th>
              <th scope="col" class="bar-column">
                <span class="hidden">Divergence as a bar</span>
              </th>
              <th scope="col" class="number">
                Prediction
              </th>
              <th scope="col" class="number">
                Of the reference
              </th>
              {hasLabels && (
                <>
                  <th scope="col" class="number">
                    Label
                  </th>
                  <th scope="col" class="number">
                    Its loss
                  </th>
                  <th scope="col" class="number">
                    Loss of the reference
                  </th>
                </>
              )}
            </tr>
          </thead>
          <tbody>
            {rows.map((one) => {
              const { row, kl_divergence: kl, prediction, reference_prediction: other, label } = one;
              const isFinite = Number.isFinite(kl);
              return (
                <tr key={row}>
                  <td class="number">{formatCount(row)}</td>
                  <td class={isFinite ? 'number' : 'number bad-text'}>{formatLoss(kl)}</td>
                  <td class="bar-column">
                    <LossBar share={isFinite && greatest > 0 ? kl / greatest : undefined} />
                  </td>
                  <td class="number">{formatClass(prediction)}</td>
                  <td class={prediction === other ? 'number' : 'number warn-text'}>
                    {formatClass(other)}
                    {prediction !== other && <span class="hidden"> differs</span>}
                  </td>
                  {hasLabels && (
                    <>
                      <td class="number">{formatCount(label!)}</td>
                      <td class="number">{formatLoss(one.nll)}</td>
                      <td class="number">{formatLoss(one.reference_nll)}</td>
                    </>
                  )}
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </div>
  );
}

/** Formats a class; −1 as a dash: the top K of the reference do not determine its class. */
const formatClass = (index: number): string => (index < 0 ? '–' : formatCount(index));
