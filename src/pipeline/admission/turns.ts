/** Milliseconds of a turn in which requests begin, before others wait for the next. */
const TURN_MS = 1;

/**
 * Keeps turns of the event loop short. A turn reads from every connection that has something, and libuv accepts one
 * connection a turn: where hundreds of small requests were evaluated in each, a probe, which connects anew, would wait for
 * seconds. So of those that come together some begin at once, and some in each further turn, in the order of coming.
 *
 * Nobody is refused for that: to refuse a small request takes about as long as to evaluate it.
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #began: number | undefined;

  /** Requests that wait for their turn. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** @returns undefined when there is nothing to wait for */
  take(): Promise<void> | undefined {
    const now = performance.now();
    if (this.#began === undefined) {
      this.#began = now;
      setImmediate(this.#next);
      return undefined;
    }
    if (this.#waiting.length === 0 && now - this.#began < TURN_MS) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Begins a new turn, with those that wait. */
  readonly #next = (): void => {
    if (this.#waiting.length === 0) {
      this.#began = undefined;
      return;
    }
    this.#began = performance.now();
    setImmediate(this.#next);
    this.#beginNext();
  };

  readonly #beginNext = (): void => {
    const begin = this.#waiting.shift();
    if (begin === undefined) return;
    begin();
    // Once all is done that it does at once: a small request is evaluated by then.
    queueMicrotask(() => process.nextTick(this.#beginNextInTime));
  };

  readonly #beginNextInTime = (): void => {
    if (performance.now() - this.#began! < TURN_MS) this.#beginNext();
  };
}
