/** Tokens that old is sure of say little: their log-ratio is near 0 for many reasons. */
const SURE_ABOVE = -0.1;

/** Tokens that are needed, apart from those that old is sure of. */
const LEAST_TOKENS = 32;

/** The median of the log-ratio is below this: the kept mass is below 98%. */
const MEDIAN_BELOW = -0.02;

/** A log-ratio above this is no rounding of 0. */
const RISE_ABOVE = 0.01;

/** Share of tokens that noise may lift above it. */
const MOST_RISING = 0.1;

/**
 * Recognises old log-probabilities that were renormalised over a truncated support, by top-p or top-k. Renormalising
 * divides by the kept mass Z < 1, so log-ratios are ln Z: below 0 for nearly every token, whatever its probability. Two
 * models, two temperatures or noise lower some tokens and raise others, because both sides sum to 1.
 */
export class TruncatedSupport {
  #tokens = 0;
  #falling = 0;
  #rising = 0;

  add(old: number, logRatio: number): void {
    if (old >= SURE_ABOVE) return;
    this.#tokens++;
    if (logRatio < MEDIAN_BELOW) this.#falling++;
    else if (logRatio > RISE_ABOVE) this.#rising++;
  }

  get isLikely(): boolean {
    if (this.#tokens < LEAST_TOKENS) return false;
    return this.#falling > this.#tokens / 2 && this.#rising <= MOST_RISING * this.#tokens;
  }
}
