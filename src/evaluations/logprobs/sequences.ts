import type { SequenceComparison } from '../../contract/logprobs.ts';
import { ExactSum } from '../../exact-sum.ts';
import { expm1Minus } from './log-ratio.ts';

/** A counted token. The exact log-ratio is logRatio + error. */
interface CountedToken {
  readonly old: number;
  readonly new: number;
  readonly logRatio: number;
  readonly error: number;
}

/** Sums over the counted tokens of a sequence. */
export class SequenceSums {
  readonly logRatio = ExactSum.of();
  readonly k3 = ExactSum.of();
  readonly #old = ExactSum.of();
  readonly #new = ExactSum.of();
  tokens = 0;

  add({ old, new: trained, logRatio, error }: CountedToken): void {
    this.tokens++;
    this.#old.add(old);
    this.#new.add(trained);
    this.logRatio.add(logRatio);
    if (error !== 0) this.logRatio.add(error);
    this.k3.add(expm1Minus(logRatio));
  }

  /** e^{−mean log-probability} of each side; null without counted tokens. */
  get perplexity(): SequenceComparison['perplexity'] {
    const of = (sum: ExactSum): number | null => (this.tokens === 0 ? null : Math.exp(-sum.value / this.tokens));
    return { old: of(this.#old), new: of(this.#new) };
  }

  result(): SequenceComparison {
    const { tokens, perplexity } = this;
    if (tokens === 0) return { tokens, log_ratio: null, k1: null, k3: null, perplexity };
    const logRatio = this.logRatio.value;
    return {
      tokens,
      log_ratio: logRatio + 0,
      k1: 0 - logRatio / tokens,
      k3: this.k3.value / tokens,
      perplexity,
    };
  }
}

/** Mean of the values that are not null; null without any. */
export function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : ExactSum.of(known).value / known.length;
}
