import type { Worker } from 'node:worker_threads';
import type { AttemptQuery } from '../attempt-steps.ts';
import type { Pages } from '../answers.ts';
import type { BatchKey, KeyedRecording, Outcome, Recording, RunMetadata, StepRange } from '../record.ts';
import type { Creator } from '../quota.ts';
import type { RunPlace, RunQuery } from '../run-query.ts';
import { unpackFailure } from '../sqlite/failure.ts';
import type { ScalarPlace, ScalarQuery } from '../scalars.ts';
import type { BatchPlace, RunStore } from '../store.ts';
import { RecordingQueue } from '../recording-queue.ts';
import { StoreThreads } from './threads.ts';

/** Milliseconds between two inspections of the whole database. */
const INSPECTION_MS = 3_600_000;

/**
 * History in SQLite on its own threads: one writes, one reads. So neither the event loop nor a recording waits for a
 * long read, for the disk, or for a lock of another process. A history in memory has one connection and one thread.
 */
export class ThreadedStore implements RunStore {
  readonly #threads: StoreThreads;
  readonly #recordings: RecordingQueue;
  /** Pages of the history as text, made in the thread. */
  readonly pages: Pages;
  #opening: Promise<void> | undefined;
  /** Time of the next inspection. Opening the database inspects it, too. */
  #nextInspection = performance.now() + INSPECTION_MS;

  /**
   * Starts the threads; `open` opens the database.
   * @param path of the file, which need not exist; or `:memory:`
   */
  constructor(path: string) {
    this.#threads = new StoreThreads(path);
    this.pages = {
      stepsJson: (...given) => this.#threads.read('stepsJson', ...given),
      stepsJsonAt: (...given) => this.#threads.read('stepsJsonAt', ...given),
      runsJson: (...given) => this.#threads.read('runsJson', ...given),
      stepJson: (...given) => this.#threads.read('stepJson', ...given),
      exportSteps: (...given) => this.#threads.read('exportSteps', ...given),
      exportBatches: (...given) => this.#threads.read('exportBatches', ...given),
      rerunsJson: (...given) => this.#threads.read('rerunsJson', ...given),
      comparisonJson: (...given) => this.#threads.read('comparisonJson', ...given),
      attemptStepsJson: (...given) => this.#threads.read('attemptStepsJson', ...given),
      scalarsJson: (...given) => this.#threads.read('scalarsJson', ...given),
      scalarJson: (...given) => this.#threads.read('scalarJson', ...given),
      exportScalarLines: (...given) => this.#threads.read('exportScalarLines', ...given),
      events: (...given) => this.#threads.read('events', ...given),
    };
    this.#recordings = new RecordingQueue(async (recordings) => {
      const outcomes = await this.#threads.write('recordAll', recordings);
      return outcomes.map((one) => ('failure' in one ? { failure: unpackFailure(one.failure) } : one));
    });
  }

  /**
   * Opens the database, before any other call. A store that cannot be opened is closed.
   * @throws Error that names the file
   */
  async open(): Promise<void> {
    try {
      await (this.#opening = this.#threads.open());
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Threads of the store; the writing thread comes first. */
  get threads(): readonly Worker[] {
    return this.#threads.workers;
  }

  /** Continues removals that a shutdown of the service interrupted, in the background. */
  async start(): Promise<void> {
    this.#purge();
  }

  async check(): Promise<void> {
    await this.#threads.write('check');
    // Continues a purge that a failure or a lost thread interrupted.
    this.#purge();
    if (performance.now() < this.#nextInspection) return;
    // Uses the reading thread, so that recordings do not wait.
    const found = await this.#threads.read('inspect');
    if (found === undefined) {
      this.#nextInspection = performance.now() + INSPECTION_MS;
      return;
    }
    await this.#threads.write('condemn', found);
    await this.#threads.write('check');
  }

  async record(key: BatchKey, recording: Recording): Promise<Outcome> {
    return (await this.recordMany([{ key, recording }]))[0]!;
  }

  recordMany(recordings: readonly KeyedRecording[]): Promise<Outcome[]> {
    return this.#recordings.record(recordings);
  }

  describe(run: string, metadata: RunMetadata, creator?: Creator): Promise<boolean> {
    return this.#threads.write('describe', run, metadata, creator);
  }

  rename(run: string, name: string) {
    return this.#threads.write('rename', run, name);
  }

  /** Resolves when the run is durably removed from all replies; its rows are deleted in small steps afterwards. */
  async remove(run: string): Promise<boolean> {
    const found = await this.#threads.write('unlink', run);
    if (found) this.#purge();
    return found;
  }

  async removeOldest(before: number): Promise<string | undefined> {
    const run = await this.#threads.write('unlinkOldest', before);
    if (run !== undefined) this.#purge();
    return run;
  }

  /** Size after the rows of removed runs are deleted. */
  async size(): Promise<number | undefined> {
    await this.#threads.write('purge');
    return this.#threads.read('size');
  }

  attemptOf(run: string, step: number) {
    return this.#threads.read('attemptOf', run, step);
  }

  run(name: string) {
    return this.#threads.read('run', name);
  }

  runs(query: RunQuery, limit: number, after: RunPlace | undefined) {
    return this.#threads.read('runs', query, limit, after);
  }

  newest(limit: number) {
    return this.#threads.read('newest', limit);
  }

  idOf(run: string) {
    return this.#threads.read('idOf', run);
  }

  metadata(run: string) {
    return this.#threads.read('metadata', run);
  }

  steps(run: string, range: StepRange, limit: number) {
    return this.#threads.read('steps', run, range, limit);
  }

  stepsAt(run: string, steps: readonly number[]) {
    return this.#threads.read('stepsAt', run, steps);
  }

  pickSteps(run: string, range: StepRange, maxPoints: number) {
    return this.#threads.read('pickSteps', run, range, maxPoints);
  }

  batchesFrom(run: string, from: BatchPlace, to: number) {
    return this.#threads.read('batchesFrom', run, from, to);
  }

  stepPage(run: string, from: BatchPlace, limit: number) {
    return this.#threads.read('stepPage', run, from, limit);
  }

  attempts(run: string) {
    return this.#threads.read('attempts', run);
  }

  attemptSteps(run: string, query: AttemptQuery) {
    return this.#threads.read('attemptSteps', run, query);
  }

  scalars(run: string) {
    return this.#threads.read('scalars', run);
  }

  scalarCurve(run: string, name: string, query: ScalarQuery) {
    return this.#threads.read('scalarCurve', run, name, query);
  }

  exportScalars(run: string, after: ScalarPlace, limit: number) {
    return this.#threads.read('exportScalars', run, after, limit);
  }

  sequence() {
    return this.#threads.read('sequence');
  }

  changes(sequence: number, limit: number) {
    return this.#threads.read('changes', sequence, limit);
  }

  changedSince(run: string, sequence: number, limit: number) {
    return this.#threads.read('changedSince', run, sequence, limit);
  }

  #purge(): void {
    // The next check that succeeds continues a purge that failed.
    this.#threads.write('purge').catch(() => undefined);
  }

  /** Waits for the opening and for pending calls, then closes the database. */
  async close(): Promise<void> {
    await this.#opening?.catch(() => undefined);
    await this.#recordings.settled();
    await this.#threads.close();
  }
}
