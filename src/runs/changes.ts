import { EventEmitter } from 'node:events';

/** Announces the names of runs that changed. Listeners read the changes themselves from the store. */
export class RunChanges {
  readonly #emitter = new EventEmitter<{ changed: [run: string] }>().setMaxListeners(0);

  notify(run: string): void {
    this.#emitter.emit('changed', run);
  }

  /**
   * Makes a change of a run, and announces the run when the change fails: a change without a reply may be in the
   * history nevertheless. The caller announces a change that succeeds, because only the caller knows if anything
   * changed.
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

  /**
   * Calls a listener for each change of any run.
   * @returns a function that ends the subscription
   */
  subscribeAll(listener: (run: string) => void): () => void {
    this.#emitter.on('changed', listener);
    return () => void this.#emitter.off('changed', listener);
  }
}
