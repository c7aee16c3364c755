import type { Piscina } from 'piscina';

/** Milliseconds from the loss of a thread to the check that waiting tasks have another thread. */
const REPLACE_AFTER_MS = 100;

/**
 * Starts a thread when tasks wait and no thread is left. Piscina does not do so when a thread was lost before it had
 * started, or when `minThreads` is 0: the waiting tasks would not start until another task is submitted.
 * @param begin submits any task, for which Piscina starts a thread; the task may fail
 */
export function replaceLostThreads<Task, Result>(piscina: Piscina<Task, Result>, begin: () => Promise<unknown>): void {
  const replace = (): void => {
    if (piscina.threads.length === 0 && piscina.queueSize > 0) begin().catch(() => undefined);
  };
  piscina.on('workerDestroy', () => setTimeout(replace, REPLACE_AFTER_MS).unref());
}
