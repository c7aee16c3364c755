import type { RunChanges } from './changes.ts';
import { Drain } from './drain.ts';
import type { CurvePoint } from './record.ts';
import type { RunStore } from './store.ts';

/** Steps per read. */
const PAGE = 500;

/** Sequence number up to which changes were reported. */
export interface FollowerPosition {
  /** Resolves to the position; to undefined while another replica reports. */
  take: () => Promise<number | undefined>;
  /** Stores a new position. Changes up to it are not reported again. */
  keep: (sequence: number) => Promise<void>;
}

/** Position in memory, for a store without replicas. */
class OwnPosition implements FollowerPosition {
  readonly #store: RunStore;
  #sequence: number | undefined;

  constructor(store: RunStore) {
    this.#store = store;
  }

  async take(): Promise<number> {
    return (this.#sequence ??= await this.#store.sequence());
  }

  async keep(sequence: number): Promise<void> {
    this.#sequence = sequence;
  }
}

/** A step of a run that has changed. */
export interface ChangedStep {
  run: string;
  /** Id of the run. A run that was removed and recorded again has a new id. */
  runId: number;
  point: CurvePoint;
}

/**
 * Reports every changed step of all runs, in the order of the changes. For a step that changed several times, it reports
 * the newest state. Reads in the background: recordings do not wait for it.
 */
export class RunFollower {
  readonly #store: RunStore;
  readonly #listener: (changed: ChangedStep) => void;
  readonly #onFailure: (error: unknown) => void;
  readonly #unsubscribe: () => void;
  readonly #position: FollowerPosition;
  #hasStarted = false;
  readonly #drain = new Drain(() => this.#readAll());

  /** @param position of the reports; by default a position in memory, which begins at the call of `start` */
  constructor(
    store: RunStore,
    changes: RunChanges,
    listener: (changed: ChangedStep) => void,
    onFailure: (error: unknown) => void,
    position: FollowerPosition = new OwnPosition(store),
  ) {
    this.#store = store;
    this.#position = position;
    this.#listener = listener;
    this.#onFailure = onFailure;
    this.#unsubscribe = changes.subscribeAll(() => this.#read());
  }

  /** Starts to report the changes after the position. */
  async start(): Promise<void> {
    await this.#position.take();
    this.#hasStarted = true;
  }

  /** Stops following, and waits until a read that was requested has ended. */
  async close(): Promise<void> {
    this.#unsubscribe();
    await this.#drain.settled();
  }

  #read(): void {
    if (this.#hasStarted) this.#drain.request();
  }

  async #readAll(): Promise<void> {
    try {
      for (let isMore = true; isMore;) {
        const position = await this.#position.take();
        if (position === undefined) return;
        const { changed, last, isFull } = await this.#store.changes(position, PAGE);
        for (const { run, runId, step } of changed) this.#listener({ run, runId, point: step });
        if (last !== position) await this.#position.keep(last);
        isMore = isFull;
      }
    } catch (error) {
      this.#onFailure(error);
    }
  }
}
