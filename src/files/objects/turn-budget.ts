/** Bytes that all bodies together may copy in a turn of the event loop, which takes a few milliseconds. */
const BYTES_PER_TURN = 2 ** 20;

/**
 * Shares the turns of the event loop. A fast connection delivers 2 MiB in a turn, and 32 such connections would delay
 * other requests. A body whose bytes are not read is paused.
 */
export class TurnBudget {
  #spent = 0;
  #nextTurn: Promise<void> | undefined;

  /** @returns a promise that resolves in the next turn when the bytes of this turn are spent, else undefined */
  spend(bytes: number): Promise<void> | undefined {
    this.#spent += bytes;
    if (this.#spent < BYTES_PER_TURN) return undefined;
    this.#nextTurn ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#spent = 0;
        this.#nextTurn = undefined;
        resolve();
      });
    });
    return this.#nextTurn;
  }
}
