import { EventEmitter } from 'node:events';

/** Announces the names of runs that changed; the store has the changes themselves. */
export class RunChanges {
  readonly #emitter = new EventEmitter<{ changed: [run: string] }>().setMaxListeners(0);

  notify(run: string): void {
    this.#emitter.emit('changed', run);
  }

  /**
   * Makes a change of a run. One that the store does not answer may be in the history all the same: it is announced, too.
   * A change that succeeds is announced by the caller, who knows whether it changed something.
   */
  async about<T>(run: string, change: () => Promise<T>): Promise<T> {
    try {
      return await change();
    } catch (error) {
      this.notify(run);
      throw error;
    }
  }

  /** Calls a listener for each change of a run. @returns a function that ends the subscription */
  subscribe(run: string, listener: () => void): () => void {
    return this.subscribeAll((changed) => {
      if (changed === run) listener();
    });
  }

  /** The same of all runs. */
  subscribeAll(listener: (run: string) => void): () => void {
    this.#emitter.on('changed', listener);
    return () => void this.#emitter.off('changed', listener);
  }
}
