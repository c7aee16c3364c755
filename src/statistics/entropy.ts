import { ColumnSum } from './column-sum.ts';
import { FLOAT64, statistic } from './statistic.ts';

/** Entropy of the softmax. */
export const ENTROPY = statistic({
  columns: { entropy: FLOAT64 },
  outputs: {
    entropy: { column: 'entropy', description: '−Σ s·log s of the softmax, in nats', everyRow: true },
  },
  metrics: {
    mean_entropy: {
      description: 'mean of `entropy`',
      meaning: 'Mean entropy of the softmax, in nats.',
      example: 0.87,
      of: (sum, weight) => sum.value / weight,
    },
  },
  compute: ({ kernel }) => ({ entropy: kernel.column('entropy') }),
  sums: () => new ColumnSum('entropy'),
});
