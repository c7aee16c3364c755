/**
 * Work that may have to wait: it yields a promise wherever it does, and goes on with what that resolves to. Where nothing
 * has to be waited for it is done at once, with no promise in between.
 */
export type Waiting<R> = Generator<Promise<unknown>, R, unknown>;

/** Runs work to its end. @returns a promise only where it had to wait */
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

/** The value that a promise resolves to; any other value at once. */
export function* settled<T>(value: T | Promise<T>): Waiting<T> {
  return value instanceof Promise ? ((yield value) as T) : value;
}
