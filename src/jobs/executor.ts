import { setTimeout as sleep } from 'node:timers/promises';
import type { TaskKey } from './job.ts';
import { isTemporary } from './runner.ts';
import type { TaskOutcome, TaskRunner } from './runner.ts';
import type { JobStore } from './store.ts';

/** Maximum number of attempts of a task. A temporary error of the last attempt is final. */
const ATTEMPTS = 5;

/** Milliseconds between attempts: the first pause and the longest one. */
const PAUSE_MS = { first: 500, most: 30_000 };

/**
 * Runs the tasks of a store in this process, one after the other. A task that is interrupted by the end of the process
 * runs again in the next process.
 */
export class TaskExecutor {
  readonly #store: JobStore;
  readonly #runner: TaskRunner;
  readonly #onEnd: (key: TaskKey, outcome: TaskOutcome) => void;
  readonly #closing = new AbortController();
  #wake = new AbortController();
  #current: { job: number; stop: AbortController } | undefined;
  #running: Promise<void> | undefined;

  /** @param onEnd called after each task */
  constructor(store: JobStore, runner: TaskRunner, onEnd: (key: TaskKey, outcome: TaskOutcome) => void) {
    this.#store = store;
    this.#runner = runner;
    this.#onEnd = onEnd;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Polls for tasks at once. */
  wake(): void {
    this.#wake.abort();
  }

  /** Stops the current task if it belongs to this job, which was cancelled or deleted. */
  stop(job: number): void {
    if (this.#current?.job === job) this.#current.stop.abort();
  }

  /** Stops the current task, and waits for its end. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    let pause = PAUSE_MS.first;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      try {
        const key = await this.#store.next();
        if (key !== undefined) await this.#do(key);
        else await this.#pause(PAUSE_MS.most);
        pause = PAUSE_MS.first;
      } catch {
        // The fault of the store or of the task may be temporary.
        await this.#pause(pause);
        pause = Math.min(2 * pause, PAUSE_MS.most);
      }
    }
  }

  /** @throws the error of an attempt that must be repeated */
  async #do(key: TaskKey): Promise<void> {
    const stop = new AbortController();
    this.#current = { job: key.job, stop };
    try {
      const isLast = (await this.#store.attempts(key)) >= ATTEMPTS - 1;
      const signal = AbortSignal.any([stop.signal, this.#closing.signal]);
      this.#onEnd(key, await this.#runner.run(key, { isLast, signal }));
    } catch (error) {
      if (isTemporary(error)) throw error;
      if (!stop.signal.aborted && !this.#closing.signal.aborted) throw error;
    } finally {
      this.#current = undefined;
    }
  }

  /** Waits until there may be tasks. */
  async #pause(milliseconds: number): Promise<void> {
    const signal = AbortSignal.any([this.#wake.signal, this.#closing.signal]);
    await sleep(milliseconds, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
