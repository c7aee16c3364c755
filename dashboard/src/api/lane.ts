/** Runs a few calls at a time, the others wait for their turn. */
export class Lane {
  readonly #waiting = new Set<() => void>();
  #free: number;

  /** @param width calls at a time */
  constructor(width: number) {
    this.#free = width;
  }

  /** @throws DOMException once it is aborted, in its turn or while it waits */
  async run<Result>(call: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    await this.#turn(signal);
    try {
      return await call();
    } finally {
      this.#free++;
      const [next] = this.#waiting;
      next?.();
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.delete(begin);
        reject(signal.reason as DOMException);
      };
      const begin = (): void => {
        this.#waiting.delete(begin);
        signal.removeEventListener('abort', abort);
        this.#free--;
        resolve();
      };
      if (signal.aborted) return abort();
      if (this.#free > 0) return begin();
      signal.addEventListener('abort', abort);
      this.#waiting.add(begin);
    });
  }
}
