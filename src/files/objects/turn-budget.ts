/** Bytes that are taken in a turn of the event loop, over all bodies: some milliseconds of copying. */
const BYTES_PER_TURN = 2 ** 20;

/**
 * Shares turns of the event loop. A fast connection delivers 2 MiB in a turn, and 32 of them would keep others waiting; a
 * body whose bytes are not taken is paused.
 */
export class TurnBudget {
  #spent = 0;
  #nextTurn: Promise<void> | undefined;

  /** @returns a promise of the next turn, once the bytes of this one are spent */
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
