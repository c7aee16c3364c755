import { ExactSum } from '../exact-sum.ts';
import { MaskedSums, SequenceWalk } from './sequences.ts';
import type { SequenceFacts } from './sequences.ts';
import { statistic } from './statistic.ts';
import type { Sums } from './statistic.ts';

class SequencePerplexities implements Sums {
  readonly #total = ExactSum.of();
  #count = 0;
  #open = new MaskedSums();

  adder({ nll }: { nll: Float64Array }, { lengthOf }: SequenceFacts) {
    const walk = new SequenceWalk(lengthOf);
    let current = -1;
    return (row: number, m: number): void => {
      const sequence = walk.at(row);
      if (sequence !== current) this.#close();
      current = sequence;
      this.#open.add(m, nll[row]!);
    };
  }

  save() {
    this.#close();
    return { total: this.#total.toBytes(), count: this.#count };
  }

  append({ total, count }: ReturnType<SequencePerplexities['save']>): void {
    this.#close();
    this.#total.include(ExactSum.from(total));
    this.#count += count;
  }

  /** NaN without counted rows. */
  get mean(): number {
    this.#close();
    return this.#total.value / this.#count;
  }

  #close(): void {
    if (this.#open.tokens === 0) return;
    this.#total.add(Math.exp(this.#open.mean));
    this.#count++;
    this.#open = new MaskedSums();
  }
}

/** Mean of the perplexities of sequences. */
export const SEQUENCE_PERPLEXITY = statistic({
  columns: {},
  metrics: {
    sequence_perplexity: {
      description:
        'mean of exp(Σ m·nll / Σ m) of each sequence, over the sequences with counted rows. Every sequence has the same weight, whatever its length',
      meaning: 'Mean over sequences of their perplexities.',
      example: 1.96,
      of: (sums) => sums.mean,
    },
  },
  compute: () => ({}),
  sums: () => new SequencePerplexities(),
});
