import { useState } from 'preact/hooks';
import type { RankDetail } from '../api/types.ts';
import { DiagnosticsView } from '../ui/diagnostics-view.tsx';
import { formatCount, formatLoss, plural } from '../format/numbers.ts';

/** Table of the ranks of a step, each with its micro-batches. Ranks with causes are open at first. */
export function RankTable({ ranks, loss }: { ranks: readonly RankDetail[]; loss: number }) {
  const losses = ranks.map((rank) => rank.loss).filter(Number.isFinite);
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  return (
    <div class="scroll" role="region" aria-label="Ranks" tabIndex={0}>
      <table class="ranks">
        <thead>
          <tr>
            <th scope="col">Rank</th>
            <th scope="col" class="number">
              Loss
            </th>
            <th scope="col" class="bar-column optional">
              Among the ranks
            </th>
            <th scope="col" class="number optional">
              Denominator
            </th>
            <th scope="col">Micro-batches</th>
          </tr>
        </thead>
        <tbody>
          {ranks.map((rank) => (
            <Rank key={rank.rank} rank={rank} range={[low, high]} mean={loss} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Rank({ rank, range: [low, high], mean }: { rank: RankDetail; range: [number, number]; mean: number }) {
  const hasFindings = rank.micro_batches.some(({ diagnostics }) => diagnostics.causes.length > 0);
  const [isOpen, setIsOpen] = useState(hasFindings);
  const share = (value: number): number => (high > low ? (value - low) / (high - low) : 0.5);
  const isFinite = Number.isFinite(rank.loss);
  return (
    <>
      <tr class={isFinite ? undefined : 'bad-row'}>
        <th scope="row">{rank.rank}</th>
        <td class="number">{formatLoss(rank.loss)}</td>
        <td class="bar-column optional">
          {isFinite && (
            <svg viewBox="0 0 100 10" preserveAspectRatio="none" class="rank-bar" aria-hidden="true">
              <rect class="track" y="4" width="100" height="2" rx="1" />
              {Number.isFinite(mean) && <rect class="mean" x={clamp(share(mean)) * 98} width="1.5" height="10" />}
              <rect class="value" x={share(rank.loss) * 96} width="4" height="10" rx="1" />
            </svg>
          )}
        </td>
        <td class="number optional">{formatCount(rank.denominator)}</td>
        <td>
          <button type="button" class="link" aria-expanded={isOpen} onClick={() => setIsOpen(!isOpen)}>
            {plural(rank.micro_batches.length, 'micro-batch', 'micro-batches')}
          </button>
        </td>
      </tr>
      {isOpen && (
        <tr class="micro-batches">
          <td colSpan={5}>
            {rank.micro_batches.map(({ micro_batch: number, loss, diagnostics }) => (
              <div key={number} class="micro-batch">
                <p>
                  <strong>Micro-batch {number}</strong> <span class="muted">loss {formatLoss(loss)}</span>
                </p>
                <DiagnosticsView diagnostics={diagnostics} />
              </div>
            ))}
          </td>
        </tr>
      )}
    </>
  );
}

const clamp = (share: number): number => Math.min(1, Math.max(0, share));
