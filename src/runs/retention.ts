import { Drain } from './drain.ts';
import type { RunStore } from './store.ts';

/** Milliseconds from the start to the first look for runs to delete, and between two looks. */
const FIRST_MS = 60_000;
const LOOK_MS = 10 * 60_000;

/** Milliseconds for which a run is kept after its last recording, under any rule. */
const KEPT_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Rule that a run was deleted by. */
export type RetentionRule = 'age' | 'size';

/** Retention rules; undefined for no rule. */
export interface RetentionRules {
  /** Days without a recording after which a run is deleted. */
  days: number | undefined;
  /** Bytes of the history beyond which the oldest runs are deleted. */
  bytes: number | undefined;
}

/** Store whose `leads` is true for the replica that deletes runs; undefined in a store without replicas. */
type Retained = Pick<RunStore, 'removeOldest' | 'size'> & { readonly leads?: boolean };

export interface RetentionListener {
  onDeleted: (run: string, rule: RetentionRule) => void;
  onFailure: (error: unknown) => void;
}

/** Deletes old runs, in the order of their last recordings. Only one of several replicas does this. */
export class Retention {
  readonly #store: Retained;
  readonly #rules: RetentionRules;
  readonly #listener: RetentionListener;
  readonly #drain = new Drain(() => this.#deleteOld());
  #timer: NodeJS.Timeout | undefined;
  #isClosing = false;

  constructor(store: Retained, rules: RetentionRules, listener: RetentionListener) {
    this.#store = store;
    this.#rules = rules;
    this.#listener = listener;
  }

  start(): void {
    this.#timer = setTimeout(() => {
      this.#drain.request();
      this.#timer = setInterval(() => this.#drain.request(), LOOK_MS).unref();
    }, FIRST_MS).unref();
  }

  /** Looks for runs to delete, and waits until they are deleted. */
  async look(): Promise<void> {
    this.#drain.request();
    await this.#drain.settled();
  }

  /** Ends the work after the deletion under way. */
  async close(): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#timer);
    await this.#drain.settled();
  }

  async #deleteOld(): Promise<void> {
    try {
      const { days, bytes } = this.#rules;
      if (days !== undefined) {
        while (await this.#deleteOldest(Math.max(days * DAY_MS, KEPT_MS), 'age'));
      }
      if (bytes !== undefined) {
        while (this.#works && (await this.#isLarger(bytes)) && (await this.#deleteOldest(KEPT_MS, 'size')));
      }
    } catch (error) {
      this.#listener.onFailure(error);
    }
  }

  get #works(): boolean {
    return !this.#isClosing && this.#store.leads !== false;
  }

  /** A history whose size is unknown, because rows are being deleted, is judged at the next look. */
  async #isLarger(bytes: number): Promise<boolean> {
    return ((await this.#store.size()) ?? 0) > bytes;
  }

  /** Deletes the run with the oldest last recording, if that is older than `restedMs`. @returns false when there is none */
  async #deleteOldest(restedMs: number, rule: RetentionRule): Promise<boolean> {
    if (!this.#works) return false;
    const run = await this.#store.removeOldest(Date.now() - restedMs);
    if (run !== undefined) this.#listener.onDeleted(run, rule);
    return run !== undefined;
  }
}
