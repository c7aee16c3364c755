/** Work in steps: other requests may be served wherever it yields. */
export type Steps<R> = Generator<void, R, void>;

/** Rows, or columns, of a step: each takes some 100 ns at most. */
export const ENTRIES_PER_STEP = 2 ** 14;

/** Milliseconds of a turn of the event loop that all work in steps shares. */
const TURN_MS = 5;

/** Work that goes on in later turns. */
interface Pending {
  /** Runs one step. @returns true at the end of the work */
  advance: () => boolean;
}

/** Pending work of all requests, in the order in which it goes on. */
const pending: Pending[] = [];

/** End of the current turn; undefined when no turn is under way. */
let turnEnd: number | undefined;

/**
 * Runs work to its end, in turns of the event loop. All work shares the time of a turn, step by step in rotation: a turn
 * stays short however many requests are under way. Work that is done in its first turn is done at once.
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

/** Begins a turn when none is under way. */
function beginTurn(): void {
  if (turnEnd !== undefined) return;
  turnEnd = performance.now() + TURN_MS;
  setImmediate(nextTurn);
}

function isTurnOver(): boolean {
  return performance.now() > turnEnd!;
}

/** Goes on with pending work in a new turn. */
function nextTurn(): void {
  turnEnd = undefined;
  if (pending.length === 0) return;
  beginTurn();
  while (!isTurnOver()) {
    const next = pending.shift();
    // Results are used in the turn that they come in: one of them a turn is enough.
    if (next === undefined || next.advance()) return;
    pending.push(next);
  }
}

/**
 * Calls `handle` for the entries [from, to) of each step, up to `count` of them.
 * @param entries of a step: fewer where each takes longer
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

/** Bytes that a step copies: into new memory that takes some 1 ms. */
const BYTES_PER_STEP = 2 ** 20;

/** Copies bytes to `target`, from its byte `at` on. */
export function* copyInSteps(source: Uint8Array, target: Uint8Array, at: number): Steps<void> {
  for (let from = 0; from < source.byteLength; from += BYTES_PER_STEP) {
    if (from > 0) yield;
    target.set(source.subarray(from, from + BYTES_PER_STEP), at + from);
  }
}
