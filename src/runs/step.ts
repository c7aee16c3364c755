import { ExactSum } from '../exact-sum.ts';
import type { RecordedBatch } from './record.ts';

/** A numerator, a denominator and their quotient. */
export interface Quotient {
  numerator: number;
  denominator: number;
  /** NaN when nothing is counted: numerator and denominator are 0. */
  loss: number;
}

/**
 * Sum of batches: Σ numerators / Σ denominators. Each sum is rounded once, so the order of the batches does not matter.
 */
export class PairSum {
  readonly #numerators: ExactSum;
  readonly #denominators: ExactSum;

  private constructor(numerators: ExactSum, denominators: ExactSum) {
    this.#numerators = numerators;
    this.#denominators = denominators;
  }

  static of(batches: readonly Pick<RecordedBatch, 'numerator' | 'denominator'>[] = []): PairSum {
    return new PairSum(
      ExactSum.of(batches.map(({ numerator }) => numerator)),
      ExactSum.of(batches.map(({ denominator }) => denominator)),
    );
  }

  /** Restores stored totals. */
  static from({ numerators, denominators }: { numerators: Uint8Array; denominators: Uint8Array }): PairSum {
    return new PairSum(ExactSum.from(numerators), ExactSum.from(denominators));
  }

  add({ numerator, denominator }: Pick<RecordedBatch, 'numerator' | 'denominator'>): void {
    this.#numerators.add(numerator);
    this.#denominators.add(denominator);
  }

  get value(): Quotient {
    const [numerator, denominator] = [this.#numerators.value, this.#denominators.value];
    return { loss: numerator / denominator, numerator, denominator };
  }

  /** Form in which the totals are stored. */
  toBytes(): { numerators: Uint8Array; denominators: Uint8Array } {
    return { numerators: this.#numerators.toBytes(), denominators: this.#denominators.toBytes() };
  }
}

/** True for non-finite totals. Totals without counted rows, 0 / 0, have no loss but are valid. */
export function isWrong({ numerator, denominator, loss }: Quotient): boolean {
  return !Number.isFinite(loss) && !(numerator === 0 && denominator === 0);
}
