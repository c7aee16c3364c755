/**
 * Runs a piece of work when it is requested, never twice at a time. A request during the work runs it once more after it, so
 * that nothing that was added meanwhile stays behind.
 */
export class Drain {
  readonly #work: () => Promise<void>;
  #isRequested = false;
  #isRunning = false;
  #running: Promise<void> | undefined;

  /** @param work takes care of its own errors */
  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  request(): void {
    this.#isRequested = true;
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#running = this.#run();
  }

  /** Resolves when no work is under way. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#isRequested) {
      this.#isRequested = false;
      await this.#work();
    }
    // With nothing awaited since the last look at the flag: no request comes between.
    this.#isRunning = false;
  }
}
