/** Work in steps: other requests may be served wherever it yields. */
export type Steps<R> = Generator<void, R, void>;

/** Rows, or columns, of a step: each takes some 100 ns at most. */
export const ENTRIES_PER_STEP = 2 ** 14;

/** Milliseconds after which work leaves the thread to others. */
const TURN_MS = 5;

/**
 * Runs work to its end, in turns of the event loop that others share. Work that is done in its first turn is done at
 * once.
 * @returns a promise only when one turn was not enough
 */
export function runInTurns<R>(work: Steps<R>): R | Promise<R> {
  const result = runTurn(work);
  return result.done === true ? result.value : goOn(work);
}

/** Runs work to its end at once, on a thread that serves nothing else. */
export function runAtOnce<R>(work: Steps<R>): R {
  for (;;) {
    const result = work.next();
    if (result.done === true) return result.value;
  }
}

async function goOn<R>(work: Steps<R>): Promise<R> {
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    const result = runTurn(work);
    if (result.done === true) return result.value;
  }
}

function runTurn<R>(work: Steps<R>): IteratorResult<void, R> {
  const end = performance.now() + TURN_MS;
  for (;;) {
    const result = work.next();
    if (result.done === true || performance.now() > end) return result;
  }
}

/** Calls `handle` for the entries [from, to) of each step, up to `count` of them. */
export function* inSteps(count: number, handle: (from: number, to: number) => void): Steps<void> {
  for (let from = 0; from < count; from += ENTRIES_PER_STEP) {
    if (from > 0) yield;
    handle(from, Math.min(count, from + ENTRIES_PER_STEP));
  }
}
