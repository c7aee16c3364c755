import type { RunChanges } from './changes.ts';
import { Drain } from './drain.ts';
import type { CurvePoint } from './record.ts';
import type { RunStore } from './store.ts';

/** Steps per read. */
const PAGE = 500;

/** A step of a run that has changed. */
export interface ChangedStep {
  run: string;
  /** Id of the run. A run that was removed and recorded again has a new id. */
  runId: number;
  point: CurvePoint;
}

/**
 * Reports every changed step of all runs, in the order of the changes. Of a step that changed several times it reports
 * the newest state. Reads in the background: recordings do not wait for it.
 */
export class RunFollower {
  readonly #store: RunStore;
  readonly #listener: (changed: ChangedStep) => void;
  readonly #onFailure: (error: unknown) => void;
  readonly #unsubscribe: () => void;
  #sequence: number | undefined;
  readonly #drain = new Drain(() => this.#readAll());

  constructor(
    store: RunStore,
    changes: RunChanges,
    listener: (changed: ChangedStep) => void,
    onFailure: (error: unknown) => void,
  ) {
    this.#store = store;
    this.#listener = listener;
    this.#onFailure = onFailure;
    this.#unsubscribe = changes.subscribeAll(() => this.#read());
  }

  /** Starts with changes from now on. */
  async start(): Promise<void> {
    this.#sequence = await this.#store.sequence();
  }

  /** Reads the changes that exist now, and no later ones. */
  async close(): Promise<void> {
    this.#unsubscribe();
    await this.#drain.settled();
  }

  #read(): void {
    if (this.#sequence !== undefined) this.#drain.request();
  }

  async #readAll(): Promise<void> {
    try {
      for (let isMore = true; isMore;) {
        const { changed, last, isFull } = await this.#store.changes(this.#sequence!, PAGE);
        for (const { run, runId, step } of changed) this.#listener({ run, runId, point: step });
        this.#sequence = last;
        isMore = isFull;
      }
    } catch (error) {
      this.#onFailure(error);
    }
  }
}
