import { formatCount, formatLoss } from '../format/numbers.ts';
import { Badge } from '../ui/badge.tsx';
import type { Comparison } from './compare-files.ts';
import { DivergentRows } from './divergent-rows.tsx';
import { HistogramView } from './histogram-view.tsx';
import { PositionChart } from './position-chart.tsx';
import { SideDiagnostics } from './side-diagnostics.tsx';
import { Statistics } from './statistics.tsx';

/** Result of a comparison of two sets of logits. @param title names of the files */
export function ComparisonView({ title, comparison }: { title: string; comparison: Comparison }) {
  const { kl_divergence: kl, rows, diagnostics, divergence, agreement, worst_rows: worst, kernel } = comparison;
  const isFinite = diagnostics.verdict === 'finite';
  return (
    <section class="card evaluation" aria-labelledby="comparison-title">
      <h2 id="comparison-title">{title}</h2>
      <p class="evaluation-loss">
        <span class={isFinite ? 'big' : 'big bad-text'}>{formatLoss(kl.mean ?? comparison.numerator)}</span>
        <span class="muted">
          {kl.standard_error !== null && `± ${formatLoss(kl.standard_error)} `}nats, mean KL divergence
        </span>
        <Badge kind={isFinite ? 'good' : 'bad'}>{isFinite ? 'finite' : 'not finite'}</Badge>
      </p>
      <SideDiagnostics diagnostics={diagnostics} />
      <HistogramView divergence={divergence} counted={rows.counted} />
      <PositionChart divergence={divergence} agreement={agreement} />
      <DivergentRows rows={worst} />
      <Statistics comparison={comparison} />
      <p class="muted small">
        {formatCount(rows.counted)} of {formatCount(rows.total)} rows counted, by the kernel {kernel}
      </p>
    </section>
  );
}
