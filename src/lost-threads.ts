import type { Piscina } from 'piscina';

/** Milliseconds from the loss of a thread until it is made sure that tasks which wait have another. */
const REPLACE_AFTER_MS = 100;

/**
 * Starts a thread for tasks that wait when there is none. Piscina does not once a thread was lost before it had begun, or
 * where it may have none: then the tasks would wait for the next one to come.
 * @param begin runs any task, which may fail: Piscina starts a thread for it
 */
export function replaceLostThreads<Task, Result>(piscina: Piscina<Task, Result>, begin: () => Promise<unknown>): void {
  const replace = (): void => {
    if (piscina.threads.length === 0 && piscina.queueSize > 0) begin().catch(() => undefined);
  };
  piscina.on('workerDestroy', () => setTimeout(replace, REPLACE_AFTER_MS).unref());
}
