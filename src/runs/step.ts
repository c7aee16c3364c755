import { ExactSum } from './exact-sum.ts';
import type { RecordedBatch } from './record.ts';

/** A numerator, a denominator and what they amount to. */
export interface Quotient {
  numerator: number;
  denominator: number;
  /** NaN where nothing is counted, and both are 0. */
  loss: number;
}

/** What batches add up to: Σ numerators / Σ denominators, each sum rounded once, so that their order does not show. */
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

  /** One that was kept. */
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

  /** What it is kept as. */
  toBytes(): { numerators: Uint8Array; denominators: Uint8Array } {
    return { numerators: this.#numerators.toBytes(), denominators: this.#denominators.toBytes() };
  }
}

/** Whether sums are wrong. Those of nothing that counts, 0 / 0, have no loss, and nothing is wrong with them. */
export function isWrong({ numerator, denominator, loss }: Quotient): boolean {
  return !Number.isFinite(loss) && !(numerator === 0 && denominator === 0);
}
