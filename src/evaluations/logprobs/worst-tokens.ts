import { MOST_WORST_TOKENS } from '../../contract/limits.ts';

/** A token and its log-ratio. */
interface Deviation {
  /** Index of the token, row-major. */
  readonly token: number;
  readonly logRatio: number;
}

/** Keeps the tokens with the greatest |log-ratio|, in descending order; ties in token order. */
export class WorstTokens {
  readonly #worst: Deviation[] = [];

  get all(): readonly Deviation[] {
    return this.#worst;
  }

  /** Takes tokens in ascending order. */
  add(token: number, logRatio: number): void {
    const worst = this.#worst;
    const size = Math.abs(logRatio);
    if (worst.length === MOST_WORST_TOKENS) {
      if (size <= Math.abs(worst.at(-1)!.logRatio)) return;
      worst.pop();
    }
    let at = worst.length;
    while (at > 0 && size > Math.abs(worst[at - 1]!.logRatio)) at--;
    worst.splice(at, 0, { token, logRatio });
  }
}
