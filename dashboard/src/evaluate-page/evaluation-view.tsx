import type { Evaluation } from '../api/types.ts';
import { formatBytes, formatCount, formatLoss } from '../format/numbers.ts';
import { Badge } from '../ui/badge.tsx';
import { DetailNumbers } from '../ui/detail-numbers.tsx';
import { DiagnosticsView } from '../ui/diagnostics-view.tsx';
import { BatchMap } from './batch-map.tsx';

interface Properties {
  name: string;
  bytes: number;
  evaluation: Evaluation;
}

export function EvaluationView({ name, bytes, evaluation }: Properties) {
  const { loss, mean_nll: meanNll, numerator, denominator, metrics, rows, diagnostics, kernel } = evaluation;
  const isFinite = diagnostics.verdict === 'finite';
  const numbers = { 'mean NLL': meanNll, numerator, ...metrics };
  return (
    <section class="card evaluation" aria-labelledby="evaluation-title">
      <h2 id="evaluation-title">
        {name} <span class="muted small">{formatBytes(bytes)}</span>
      </h2>
      <p class="evaluation-loss">
        <span class={isFinite ? 'big' : 'big bad-text'}>{formatLoss(loss ?? numerator / denominator)}</span>
        <span class="muted">loss</span>
        <Badge kind={isFinite ? 'good' : 'bad'}>{isFinite ? 'finite' : 'not finite'}</Badge>
      </p>
      <BatchMap rows={rows} diagnostics={diagnostics} />
      <DetailNumbers
        numbers={[
          ['Denominator', formatCount(denominator)],
          ...Object.entries(numbers).map(([name, value]) => [name.replaceAll('_', ' '), formatLoss(value)] as const),
        ]}
      />
      <DiagnosticsView diagnostics={diagnostics} />
      <p class="muted small">
        {formatCount(rows.total)} rows by the kernel {kernel}
      </p>
    </section>
  );
}
