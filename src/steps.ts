/** Work in steps. Other requests can be served wherever it yields. */
export type Steps<R> = Generator<void, R, void>;

/** Rows or columns of a step; each takes about 100 ns at most. */
export const ENTRIES_PER_STEP = 2 ** 14;

/** Milliseconds per turn of the event loop for all work in steps together. */
const TURN_MS = 5;

/** Work that continues in later turns. */
interface Pending {
  /** Runs one step. @returns true at the end of the work */
  advance: () => boolean;
}

/** Pending work of all requests, in the order in which it continues. */
const pending: Pending[] = [];

/** End of the current turn; undefined between turns. */
let turnEnd: number | undefined;

/**
 * Runs work to its end, in turns of the event loop. All pending work shares the time of a turn, step by step in rotation,
 * so a turn stays short for any number of requests. Work that ends in its first turn runs synchronously.
 * @returns a promise only when one turn was not enough
 */
export function runInTurns<R>(work: Steps<R>): R | Promise<R> {
  beginTurn();
  while (pending.length === 0 && !isTurnOver()) {
    const result = work.next();
    if (result.done === true) return result.value;
  }
  return new Promise((resolve, fail) => {
    const advance = (): boolean => {
      try {
        const result = work.next();
        if (result.done === true) resolve(result.value);
        return result.done === true;
      } catch (error) {
        fail(error);
        return true;
      }
    };
    pending.push({ advance });
  });
}

/** Runs work to its end at once, on a thread that serves nothing else. */
export function runAtOnce<R>(work: Steps<R>): R {
  for (;;) {
    const result = work.next();
    if (result.done === true) return result.value;
  }
}

/** Begins a turn unless one has begun. */
function beginTurn(): void {
  if (turnEnd !== undefined) return;
  turnEnd = performance.now() + TURN_MS;
  setImmediate(nextTurn);
}

function isTurnOver(): boolean {
  return performance.now() > turnEnd!;
}

/** Continues pending work in a new turn. */
function nextTurn(): void {
  turnEnd = undefined;
  if (pending.length === 0) return;
  beginTurn();
  while (!isTurnOver()) {
    const next = pending.shift();
    // The result of finished work is used in the same turn, which takes time. So a turn ends after one result.
    if (next === undefined || next.advance()) return;
    pending.push(next);
  }
}

/**
 * Calls `handle` with the entries [from, to) of each step, for `count` entries in all.
 * @param entries number per step; smaller when an entry takes longer
 */
export function* inSteps(
  count: number,
  handle: (from: number, to: number) => void,
  entries = ENTRIES_PER_STEP,
): Steps<void> {
  for (let from = 0; from < count; from += entries) {
    if (from > 0) yield;
    handle(from, Math.min(count, from + entries));
  }
}

/** Bytes that a step copies. Copying them into new memory takes about 1 ms. */
const BYTES_PER_STEP = 2 ** 20;

/** Copies bytes to `target`, from its byte `at` on. */
export function* copyInSteps(source: Uint8Array, target: Uint8Array, at: number): Steps<void> {
  for (let from = 0; from < source.byteLength; from += BYTES_PER_STEP) {
    if (from > 0) yield;
    target.set(source.subarray(from, from + BYTES_PER_STEP), at + from);
  }
}
