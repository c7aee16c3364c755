import { ExactSum } from '../exact-sum.ts';
import type { SequenceFacts } from './sequences.ts';
import { statistic } from './statistic.ts';
import type { Sums } from './statistic.ts';

/** Ratio of totals, Σ m·nll / Σ size of the texts. lm-evaluation-harness calls it a weighted mean. */
class NllPerSize implements Sums {
  readonly #field: 'bytes' | 'words';
  readonly #nll = ExactSum.of();
  readonly #size = ExactSum.of();

  constructor(field: 'bytes' | 'words') {
    this.#field = field;
  }

  adder({ nll }: { nll: Float64Array }, facts: SequenceFacts) {
    this.#size.add(facts[this.#field] ?? Number.NaN);
    return (row: number, m: number): void => this.#nll.add(m * nll[row]!);
  }

  save() {
    return { nll: this.#nll.toBytes(), size: this.#size.toBytes() };
  }

  append({ nll, size }: ReturnType<NllPerSize['save']>): void {
    this.#nll.include(ExactSum.from(nll));
    this.#size.include(ExactSum.from(size));
  }

  /** NaN without counted rows. */
  ratio(weight: number): number {
    return weight === 0 ? Number.NaN : this.#nll.value / this.#size.value;
  }
}

/** nll per byte of the texts. */
export const NLL_PER_BYTE = statistic({
  columns: {},
  metrics: {
    bits_per_byte: {
      description: 'Σ m·nll / (ln 2 · Σ bytes), with the field `bytes`; a ratio of totals',
      meaning: 'Σ m·nll / (ln 2 · Σ bytes).',
      example: 0.2374,
      field: 'bytes',
      of: (sums, weight) => sums.ratio(weight) / Math.LN2,
    },
    byte_perplexity: {
      description: 'exp(Σ m·nll / Σ bytes), with the field `bytes`',
      meaning: 'exp(Σ m·nll / Σ bytes).',
      example: 1.1788,
      field: 'bytes',
      of: (sums, weight) => Math.exp(sums.ratio(weight)),
    },
  },
  compute: () => ({}),
  sums: () => new NllPerSize('bytes'),
});

/** nll per word of the texts. */
export const NLL_PER_WORD = statistic({
  columns: {},
  metrics: {
    word_perplexity: {
      description: 'exp(Σ m·nll / Σ words), with the field `words`',
      meaning: 'exp(Σ m·nll / Σ words).',
      example: 1.9311,
      field: 'words',
      of: (sums, weight) => Math.exp(sums.ratio(weight)),
    },
  },
  compute: () => ({}),
  sums: () => new NllPerSize('words'),
});
