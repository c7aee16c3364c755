/**
 * Work that may have to wait. It yields each promise that it waits for, and continues with the resolved value. Work that
 * waits for nothing runs synchronously, without a promise.
 */
export type Waiting<R> = Generator<Promise<unknown>, R, unknown>;

/** Runs work to its end. @returns a promise only when the work had to wait */
export function runWaiting<R>(work: Waiting<R>): R | Promise<R> {
  const first = work.next();
  return first.done === true ? first.value : goOn(work, first.value);
}

async function goOn<R>(work: Waiting<R>, promise: Promise<unknown>): Promise<R> {
  for (let waitedFor = promise; ;) {
    const outcome = await waitedFor.then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    const step = 'error' in outcome ? work.throw(outcome.error) : work.next(outcome.value);
    if (step.done === true) return step.value;
    waitedFor = step.value;
  }
}

/** Waits for a promise; returns any other value at once. */
export function* settled<T>(value: T | Promise<T>): Waiting<T> {
  return value instanceof Promise ? ((yield value) as T) : value;
}
