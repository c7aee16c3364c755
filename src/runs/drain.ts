/**
 * Runs a piece of work on request, never twice at a time. A request during the work runs it once more afterwards, so
 * additions made meanwhile are included.
 */
export class Drain {
  readonly #work: () => Promise<void>;
  #isRequested = false;
  #isRunning = false;
  #running: Promise<void> | undefined;

  /** @param work handles its own errors */
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
    // No await separates this line from the last check of the flag, so no request can come between them.
    this.#isRunning = false;
  }
}
