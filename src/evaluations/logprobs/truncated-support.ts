/** Old log-probability from which tokens are not examined: their log-ratio is near 0 for many reasons. */
const SURE_ABOVE = -0.1;

/** Minimum number of examined tokens. */
const LEAST_TOKENS = 32;

/** Upper bound of the median log-ratio: the kept mass is below 98%. */
const MEDIAN_BELOW = -0.02;

/** Log-ratio above which a rise is not a rounding error. */
const RISE_ABOVE = 0.01;

/** Maximum share of examined tokens with such a rise, which may be noise. */
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
