import { EventEmitter } from 'node:events';

/** Says that something of a run has changed; what, the store knows. */
export class RunChanges {
  readonly #emitter = new EventEmitter<{ changed: [run: string] }>().setMaxListeners(0);

  notify(run: string): void {
    this.#emitter.emit('changed', run);
  }

  /** Calls a listener for each change of a run. @returns what ends that */
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
