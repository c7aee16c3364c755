import { ExactSum } from '../exact-sum.ts';

/** Sequences that the rows of a batch fill in order, and the sizes of their texts. */
export interface SequenceFacts {
  /** Number of sequences. */
  readonly count: number;
  /** Number of rows of a sequence, including rows that a shift leaves out. */
  readonly lengthOf: (sequence: number) => number;
  /** Bytes of all texts; undefined when the request does not give them. */
  readonly bytes: number | undefined;
  /** Words of all texts. */
  readonly words: number | undefined;
}

/** Finds the sequence of each row. Must be called with ascending rows. */
export class SequenceWalk {
  readonly #lengthOf: SequenceFacts['lengthOf'];
  #sequence = -1;
  /** End of the sequence of the last row. */
  end = 0;

  constructor(lengthOf: SequenceFacts['lengthOf']) {
    this.#lengthOf = lengthOf;
  }

  /** Sequence of a row, from 0. */
  at(row: number): number {
    while (row >= this.end) this.end += this.#lengthOf(++this.#sequence);
    return this.#sequence;
  }
}

/** Σ m·x, Σ m and number of the counted rows of a sequence. Each sum is rounded once. */
export class MaskedSums {
  readonly #numerator = ExactSum.of();
  readonly #denominator = ExactSum.of();
  tokens = 0;

  add(m: number, x: number): void {
    this.tokens++;
    this.#numerator.add(m * x);
    this.#denominator.add(m);
  }

  get numerator(): number {
    return this.#numerator.value;
  }

  get denominator(): number {
    return this.#denominator.value;
  }

  /** Σ m·x / Σ m; NaN without counted rows. */
  get mean(): number {
    return this.numerator / this.denominator;
  }
}
