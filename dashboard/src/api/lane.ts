/** Waiting call. */
interface Waiting {
  begin: () => void;
  urgency: () => number;
}

/** Runs a few calls at a time. The most urgent of the waiting calls runs next. */
export class Lane {
  readonly #waiting = new Set<Waiting>();
  #free: number;
  #isAsked = false;

  /** @param width calls at a time */
  constructor(width: number) {
    this.#free = width;
  }

  /**
   * @param urgency called when another call may run; the least number is the most urgent
   * @throws DOMException when the signal is aborted while the call waits or runs
   */
  async run<Result>(call: () => Promise<Result>, urgency: () => number, signal: AbortSignal): Promise<Result> {
    await this.#turn(urgency, signal);
    try {
      return await call();
    } finally {
      this.#free++;
      this.#startSoon();
    }
  }

  #turn(urgency: () => number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.delete(waiting);
        reject(signal.reason as DOMException);
      };
      const begin = (): void => {
        signal.removeEventListener('abort', abort);
        resolve();
      };
      const waiting = { begin, urgency };
      if (signal.aborted) return abort();
      signal.addEventListener('abort', abort);
      this.#waiting.add(waiting);
      this.#startSoon();
    });
  }

  /** Starts calls in a later task, so that calls that are requested together are compared. */
  #startSoon(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    setTimeout(() => {
      this.#isAsked = false;
      const order = [...this.#waiting]
        .map((waiting) => ({ waiting, urgency: waiting.urgency() }))
        .toSorted((a, b) => a.urgency - b.urgency);
      for (const { waiting } of order.slice(0, this.#free)) {
        this.#waiting.delete(waiting);
        this.#free--;
        waiting.begin();
      }
    });
  }
}
