/**
 * Attempt of each step of a log. A step that is before the last one, or that has the number of the last one and other
 * content, is of a trainer that resumed from a checkpoint.
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

  /** @returns the attempt of a step that the log has next */
  next(step: number, content: string): number {
    if (step < this.#step || (step === this.#step && content !== this.#content)) this.#attempt += 1;
    this.#step = step;
    this.#content = content;
    return this.#attempt;
  }
}
