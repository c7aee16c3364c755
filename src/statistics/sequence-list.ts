import { MaskedSums, SequenceWalk } from './sequences.ts';
import type { SequenceFacts } from './sequences.ts';
import { statistic } from './statistic.ts';
import type { Sums } from './statistic.ts';

/** Results of a sequence; null when it has no counted rows. */
export interface SequenceResult {
  readonly tokens: number;
  readonly numerator: number | null;
  readonly denominator: number | null;
  readonly mean_nll: number | null;
  readonly perplexity: number | null;
}

const EMPTY: SequenceResult = { tokens: 0, numerator: null, denominator: null, mean_nll: null, perplexity: null };

class SequenceList implements Sums {
  readonly #closed: SequenceResult[] = [];
  #open = new MaskedSums();
  /** Number of sequences of this batch and of the previous batches. */
  #count = 0;

  adder({ nll }: { nll: Float64Array }, { count, lengthOf }: SequenceFacts) {
    const walk = new SequenceWalk(lengthOf);
    const first = this.#count;
    this.#count += count;
    return (row: number, m: number): void => {
      this.#closeUpTo(first + walk.at(row));
      this.#open.add(m, nll[row]!);
    };
  }

  save() {
    return { sequences: this.all };
  }

  append({ sequences }: ReturnType<SequenceList['save']>): void {
    this.#closeUpTo(this.#count);
    this.#closed.push(...sequences);
    this.#count = this.#closed.length;
  }

  /** Results of all sequences, in order. */
  get all(): readonly SequenceResult[] {
    this.#closeUpTo(this.#count);
    return this.#closed;
  }

  #closeUpTo(sequence: number): void {
    while (this.#closed.length < sequence) {
      this.#closed.push(resultOf(this.#open));
      this.#open = new MaskedSums();
    }
  }
}

function resultOf({ tokens, numerator, denominator, mean }: MaskedSums): SequenceResult {
  return tokens === 0 ? EMPTY : { tokens, numerator, denominator, mean_nll: mean, perplexity: Math.exp(mean) };
}

/** Results of all sequences. @param sums sums of SEQUENCE_LIST, if it was requested */
export function sequencesIn(sums: Sums | undefined): readonly SequenceResult[] | undefined {
  return sums instanceof SequenceList ? sums.all : undefined;
}

/** Sums of each sequence, for the answer that lists them. */
export const SEQUENCE_LIST = statistic({
  columns: {},
  terms: ['sequences'],
  compute: () => ({}),
  sums: () => new SequenceList(),
});
