import { CompensatedSum } from '../summation.ts';
import { FLOAT64, statistic } from './statistic.ts';
import type { Sums } from './statistic.ts';

class EntropySums implements Sums {
  readonly entropy = new CompensatedSum();

  adder({ entropy }: { entropy: Float64Array }) {
    return (row: number, m: number): void => this.entropy.add(m * entropy[row]!);
  }

  append({ entropy }: EntropySums): void {
    this.entropy.add(entropy.value);
  }
}

/** Entropy of the softmax. */
export const ENTROPY = statistic({
  columns: { entropy: FLOAT64 },
  outputs: {
    entropy: { column: 'entropy', description: '−Σ s·log s of the softmax, in nats', everyRow: true },
  },
  metrics: {
    mean_entropy: {
      description: 'of `entropy`',
      meaning: 'Mean entropy of the softmax, in nats.',
      example: 0.87,
      of: ({ entropy }, weight) => entropy.value / weight,
    },
  },
  compute: ({ kernel }) => ({ entropy: kernel.entropy() }),
  sums: () => new EntropySums(),
});
