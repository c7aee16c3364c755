/** Milliseconds of a turn in which requests may begin. Later requests wait for the next turn. */
const TURN_MS = 1;

/**
 * Keeps turns of the event loop short. A turn reads from every readable connection, and libuv accepts one connection per turn.
 * If a turn evaluated hundreds of small requests, a probe, which opens a new connection, would wait for seconds. So when many
 * requests arrive together, some begin at once, and the others in later turns, in the order of arrival.
 *
 * No request is refused for this: refusing a small request takes about as long as evaluating it.
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #began: number | undefined;

  /** Number of requests that wait for their turn. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** @returns undefined if the request may begin at once */
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

  /** Begins a new turn with the waiting requests. */
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
    // The next request begins after the synchronous work of this one. A small request is evaluated by then.
    queueMicrotask(() => process.nextTick(this.#beginNextInTime));
  };

  readonly #beginNextInTime = (): void => {
    if (performance.now() - this.#began! < TURN_MS) this.#beginNext();
  };
}
