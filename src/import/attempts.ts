/**
 * Counts the attempts of a log. A step that is before the last one, or that repeats the last one with other content, shows
 * that the trainer resumed from a checkpoint.
 */
export class LogAttempts {
  #attempt: number;
  #step = -1;
  #content = '';

  constructor(first: number) {
    this.#attempt = first;
  }

  get current(): number {
    return this.#attempt;
  }

  /** @returns the attempt of the next step of the log */
  next(step: number, content: string): number {
    if (step < this.#step || (step === this.#step && content !== this.#content)) this.#attempt += 1;
    this.#step = step;
    this.#content = content;
    return this.#attempt;
  }
}
