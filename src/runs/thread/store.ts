import type { Worker } from 'node:worker_threads';
import type { Pages } from '../answers.ts';
import type { BatchKey, Outcome, Recording, RunMetadata } from '../record.ts';
import type { BatchPlace, RunStore, StepRange } from '../store.ts';
import { RecordingQueue } from './recording-queue.ts';
import { StoreThread } from './store-thread.ts';

/**
 * The history in SQLite, on threads of its own: one writes, one reads, so that neither the event loop nor a recording waits
 * for a long read, for the disk, or for a lock of another process. A history in memory has one connection, and one thread.
 */
export class ThreadedStore implements RunStore {
  readonly #writer: StoreThread;
  readonly #reader: StoreThread;
  readonly #recordings: RecordingQueue;
  /** The history as text, which the thread makes too. */
  readonly pages: Pages;

  private constructor(path: string) {
    this.#writer = new StoreThread(path);
    this.#reader = path === ':memory:' ? this.#writer : new StoreThread(path);
    const reader = this.#reader;
    this.pages = {
      stepsJson: (...given) => reader.call('stepsJson', ...given),
      stepsJsonAt: (...given) => reader.call('stepsJsonAt', ...given),
      runsJson: (...given) => reader.call('runsJson', ...given),
      stepJson: (...given) => reader.call('stepJson', ...given),
      exportSteps: (...given) => reader.call('exportSteps', ...given),
      exportBatches: (...given) => reader.call('exportBatches', ...given),
      events: (...given) => reader.call('events', ...given),
    };
    this.#recordings = new RecordingQueue((recordings) => this.#writer.call('recordAll', recordings));
  }

  /**
   * Opens a store.
   * @param path of the file, which need not exist; or `:memory:`
   * @throws Error that names the file
   */
  static async open(path: string): Promise<ThreadedStore> {
    const store = new ThreadedStore(path);
    try {
      // One after the other: the first brings the schema up to date.
      await store.#writer.open();
      await store.#reader.open();
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** The threads of the store, the one that writes first. */
  get threads(): readonly Worker[] {
    return [...new Set([...this.#writer.threads, ...this.#reader.threads])];
  }

  /** Goes on with removals that an end of the service interrupted: nobody waits for them. */
  async start(): Promise<void> {
    this.#purge();
  }

  record(key: BatchKey, recording: Recording): Promise<Outcome> {
    return this.#recordings.record(key, recording);
  }

  describe(run: string, metadata: RunMetadata): Promise<boolean> {
    return this.#writer.call('describe', run, metadata);
  }

  /** Resolves when the run has vanished, for good; its rows are removed bit by bit after that. */
  async remove(run: string): Promise<boolean> {
    const found = await this.#writer.call('unlink', run);
    if (found) this.#purge();
    return found;
  }

  attemptOf(run: string, step: number) {
    return this.#reader.call('attemptOf', run, step);
  }

  run(name: string) {
    return this.#reader.call('run', name);
  }

  runs(limit: number, before: number | undefined) {
    return this.#reader.call('runs', limit, before);
  }

  newest(limit: number) {
    return this.#reader.call('newest', limit);
  }

  metadata(run: string) {
    return this.#reader.call('metadata', run);
  }

  steps(run: string, range: StepRange, limit: number) {
    return this.#reader.call('steps', run, range, limit);
  }

  stepsAt(run: string, steps: readonly number[]) {
    return this.#reader.call('stepsAt', run, steps);
  }

  pickSteps(run: string, range: StepRange, maxPoints: number) {
    return this.#reader.call('pickSteps', run, range, maxPoints);
  }

  batchesFrom(run: string, from: BatchPlace, to: number) {
    return this.#reader.call('batchesFrom', run, from, to);
  }

  stepPage(run: string, from: BatchPlace, limit: number) {
    return this.#reader.call('stepPage', run, from, limit);
  }

  sequence() {
    return this.#reader.call('sequence');
  }

  changes(sequence: number, limit: number) {
    return this.#reader.call('changes', sequence, limit);
  }

  changedSince(run: string, sequence: number, limit: number) {
    return this.#reader.call('changedSince', run, sequence, limit);
  }

  #purge(): void {
    // A purge that fails is gone on with at the next removal, or at the next start.
    this.#writer.call('purge').catch(() => undefined);
  }

  /** Waits for pending calls, then closes the database. */
  async close(): Promise<void> {
    await this.#recordings.settled();
    await Promise.all([...new Set([this.#writer, this.#reader])].map((thread) => thread.close()));
  }
}
