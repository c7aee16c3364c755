import { LossmeterError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { combineFiles } from './combine.ts';
import { COMBINATION } from './job.ts';
import type { TaskError, TaskKey } from './job.ts';
import { evaluateTask } from './run-task.ts';
import type { TaskMeans } from './run-task.ts';
import type { JobStore } from './store.ts';

/** Temporary errors, after which a task is repeated. */
const TEMPORARY = new Set<ErrorCode>([
  'store_unavailable',
  'overloaded',
  'worker_lost',
  'file_changed',
  'shutting_down',
]);

/** Milliseconds between two checks that the result of a file is still wanted. */
const LOOK_MS = 2000;

/** Error for a task whose result is no longer wanted. */
class UnwantedError extends Error {}

/** End of a task: `ignored` when it was done already, or its job was cancelled or deleted. */
export type TaskOutcome = 'done' | 'failed' | 'ignored';

/** Runs tasks and stores their results. */
export class TaskRunner {
  readonly #store: JobStore;
  readonly #means: TaskMeans;
  readonly #onFault: (key: TaskKey, error: unknown) => void;

  /** @param onFault called for unexpected errors, which are not refusals of a file */
  constructor(store: JobStore, means: TaskMeans, onFault: (key: TaskKey, error: unknown) => void) {
    this.#store = store;
    this.#means = means;
    this.#onFault = onFault;
  }

  /**
   * Runs a task. An error of the file itself is stored.
   * @param isLast true when no further attempt follows: a temporary error is then stored too
   * @throws LossmeterError for temporary errors; the reason of the signal
   */
  async run(key: TaskKey, { isLast, signal }: { isLast: boolean; signal: AbortSignal }): Promise<TaskOutcome> {
    try {
      return await (key.place === COMBINATION ? this.#combine(key.job) : this.#evaluate(key, signal));
    } catch (error) {
      if (error instanceof UnwantedError) return 'ignored';
      signal.throwIfAborted();
      if (isTemporary(error) && !isLast) throw error;
      await this.#store.fail(key, this.#describe(key, error));
      return 'failed';
    }
  }

  async #evaluate(key: TaskKey, signal: AbortSignal): Promise<TaskOutcome> {
    const task = await this.#store.begin(key);
    if (task === undefined) return 'ignored';
    const unwanted = new AbortController();
    const look = setInterval(() => void this.#look(key, unwanted), LOOK_MS);
    try {
      const result = await evaluateTask(task, this.#means, AbortSignal.any([signal, unwanted.signal]));
      await this.#store.finish(key, result);
      return 'done';
    } finally {
      clearInterval(look);
    }
  }

  async #combine(id: number): Promise<TaskOutcome> {
    const job = await this.#store.combinable(id);
    if (job === undefined) return 'ignored';
    await this.#store.complete(id, await combineFiles(job, this.#store, this.#means.held));
    return 'done';
  }

  /** Ends the evaluation of a file whose job was cancelled or deleted. */
  async #look({ job: id }: TaskKey, unwanted: AbortController): Promise<void> {
    // The task continues when the store does not answer.
    const answer = await this.#store.job(id).then(
      (job) => ({ job }),
      () => undefined,
    );
    const state = answer?.job?.state;
    if (answer !== undefined && state !== 'running' && state !== 'queued') unwanted.abort(new UnwantedError());
  }

  #describe(key: TaskKey, error: unknown): TaskError {
    if (error instanceof LossmeterError && error.code !== 'internal')
      return { code: error.code, detail: error.message };
    this.#onFault(key, error);
    return { code: 'internal', detail: 'the evaluation failed; the log of the process has the cause' };
  }
}

export const isTemporary = (error: unknown): boolean => error instanceof LossmeterError && TEMPORARY.has(error.code);
