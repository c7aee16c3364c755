import type { LogprobComparison, SequenceComparison } from '../../contract/logprobs.ts';
import { ExactSum } from '../../exact-sum.ts';
import { inSteps } from '../../steps.ts';
import type { Steps } from '../../steps.ts';
import { addSquareMinusOne, differenceError } from './log-ratio.ts';
import { SequenceSums, meanOf } from './sequences.ts';
import type { Tokens } from './tokens.ts';
import { TruncatedSupport } from './truncated-support.ts';
import { WorstTokens } from './worst-tokens.ts';

/** Tokens of a step; each takes about a microsecond. */
const TOKENS_PER_STEP = 2048;

/** Bounds of the ratios ρ that `fraction_outside` does not count. */
const [LEAST_RATIO, GREATEST_RATIO] = [0.9, 1.1];

/**
 * Compares the log-probabilities that two sides gave for the same tokens, with r = new − old and ρ = e^r. All sums are
 * exact, so they do not depend on the order of the tokens.
 */
export function* compareTokens(tokens: Tokens): Steps<LogprobComparison> {
  const ratios = new RatioSums(yield* greatestLogRatio(tokens));
  const worst = new WorstTokens();
  const support = new TruncatedSupport();
  const sequences: SequenceComparison[] = [];
  const { old, new: trained, isCounted, lengths } = tokens;
  let sequence = new SequenceSums();
  let end = lengths[0] ?? 0;
  const closeUpTo = (token: number): void => {
    while (sequences.length < lengths.length && token >= end) {
      sequences.push(sequence.result());
      ratios.close(sequence);
      sequence = new SequenceSums();
      end += lengths[sequences.length] ?? 0;
    }
  };
  const add = (from: number, to: number): void => {
    for (let token = from; token < to; token++) {
      closeUpTo(token);
      if (!isCounted(token)) continue;
      const [a, b] = [old[token]!, trained[token]!];
      const logRatio = b - a;
      const error = differenceError(b, a, logRatio);
      sequence.add({ old: a, new: b, logRatio, error });
      ratios.add(logRatio, error);
      worst.add(token, logRatio);
      support.add(a, logRatio);
    }
  };
  yield* inSteps(old.length, add, TOKENS_PER_STEP);
  closeUpTo(old.length);
  return {
    tokens: { total: old.length, counted: ratios.tokens, masked: old.length - ratios.tokens },
    ...ratios.result(),
    perplexity: {
      old: meanOf(sequences.map(({ perplexity }) => perplexity.old)),
      new: meanOf(sequences.map(({ perplexity }) => perplexity.new)),
    },
    worst_tokens: placed(worst, tokens),
    sequences,
    ...(support.isLikely && { hint: 'renormalised_support' as const }),
  };
}

function* greatestLogRatio({ old, new: trained, isCounted }: Tokens): Steps<number> {
  let greatest = -Infinity;
  yield* inSteps(old.length, (from, to) => {
    for (let token = from; token < to; token++) {
      if (isCounted(token)) greatest = Math.max(greatest, trained[token]! - old[token]!);
    }
  });
  return greatest;
}

/** Sums over all counted tokens. */
class RatioSums {
  readonly #greatest: number;
  readonly #logRatio = ExactSum.of();
  readonly #k3 = ExactSum.of();
  readonly #absolute = ExactSum.of();
  readonly #chi2 = ExactSum.of();
  readonly #sequenceChi2 = ExactSum.of();
  readonly #weights = ExactSum.of();
  readonly #squares = ExactSum.of();
  #outside = 0;
  #sequences = 0;
  tokens = 0;

  /** @param greatest log-ratio; weights are relative to it, so they do not overflow */
  constructor(greatest: number) {
    this.#greatest = greatest;
  }

  add(logRatio: number, error: number): void {
    this.tokens++;
    this.#absolute.add(Math.abs(logRatio));
    if (error !== 0) this.#absolute.add(logRatio < 0 ? -error : error);
    addSquareMinusOne(this.#chi2, logRatio, error === 0 ? [logRatio] : [logRatio, error]);
    const weight = Math.exp(logRatio - this.#greatest);
    this.#weights.add(weight);
    this.#squares.add(weight * weight);
    const ratio = Math.exp(logRatio);
    if (ratio < LEAST_RATIO || ratio > GREATEST_RATIO) this.#outside++;
  }

  /** Adds the sums of a sequence. */
  close({ tokens, logRatio, k3 }: SequenceSums): void {
    if (tokens === 0) return;
    this.#sequences++;
    this.#logRatio.include(logRatio);
    this.#k3.include(k3);
    addSquareMinusOne(this.#sequenceChi2, logRatio.value, logRatio);
  }

  result() {
    const { tokens } = this;
    const isEmpty = tokens === 0;
    const mean = (sum: ExactSum, count = tokens): number | null => (isEmpty ? null : sum.value / count + 0);
    const weights = this.#weights.value;
    return {
      k1: isEmpty ? null : 0 - this.#logRatio.value / tokens,
      k3: mean(this.#k3),
      chi2_token: mean(this.#chi2),
      chi2_sequence: mean(this.#sequenceChi2, this.#sequences),
      effective_sample_size: isEmpty ? null : Math.min(1, weights ** 2 / (tokens * this.#squares.value)),
      mean_absolute_difference: mean(this.#absolute),
      fraction_outside: isEmpty ? null : this.#outside / tokens,
    };
  }
}

/** The worst tokens with their places and both sides. */
function placed(worst: WorstTokens, { old, new: trained, lengths }: Tokens): LogprobComparison['worst_tokens'] {
  const ascending = worst.all.map(({ token }) => token).toSorted((a, b) => a - b);
  const places = new Map<number, { sequence: number; position: number }>();
  let begin = 0;
  let sequence = 0;
  for (const token of ascending) {
    while (token >= begin + lengths[sequence]!) begin += lengths[sequence++]!;
    places.set(token, { sequence, position: token - begin });
  }
  return worst.all.map(({ token, logRatio }) => ({
    token,
    ...places.get(token)!,
    old: old[token]!,
    new: trained[token]!,
    log_ratio: logRatio,
  }));
}
