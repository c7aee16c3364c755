/** Comparison of two runs, batch by batch along their curves. */
import { hasSameLabels, isSameContent } from './batch-facts.ts';
import type { BatchFact, BatchFacts } from './batch-facts.ts';
import { firstDifferingRow } from './disagreement/row-losses.ts';
import type { DifferingRow } from './disagreement/row-losses.ts';
import type { BatchPlace } from './store.ts';

/** Batches that are read at a time, and in all, of each run. */
const BATCHES_AT_ONCE = 1000;
const MOST_READ = 20_000;

/** The first batch in which two runs differ. */
export interface Difference {
  batch: BatchFact;
  other: BatchFact;
  sameLabels: boolean | undefined;
  /** Undefined where the rows of one of them are not kept. */
  row: DifferingRow | undefined;
}

export interface Comparison {
  /** Batches that both runs have, and that are the same. */
  same: number;
  difference: Difference | undefined;
  /** The first batches that only one of the runs has, before the end of the other. */
  onlyHere: BatchPlace | undefined;
  onlyThere: BatchPlace | undefined;
  /** Place from which the comparison goes on; undefined at its end. */
  next: BatchPlace | undefined;
}

/** Compares two runs from a place on, up to their first difference, the end of one, or the end of what is read. */
export async function compareRuns(facts: BatchFacts, other: BatchFacts, from: BatchPlace): Promise<Comparison> {
  const [here, there] = [new Reader(facts, from), new Reader(other, from)];
  const result: Comparison = {
    same: 0,
    difference: undefined,
    onlyHere: undefined,
    onlyThere: undefined,
    next: undefined,
  };
  for (;;) {
    const [a, b] = [await here.peek(), await there.peek()];
    if (a === undefined || b === undefined) return result;
    if (here.read + there.read > 2 * MOST_READ) return { ...result, next: placeOf(byPlace(a, b) < 0 ? a : b) };
    const order = byPlace(a, b);
    if (order < 0) result.onlyHere ??= placeOf(a);
    if (order > 0) result.onlyThere ??= placeOf(b);
    if (order <= 0) here.skip();
    if (order >= 0) there.skip();
    if (order !== 0) continue;
    if (isSameContent(a, b)) {
      result.same++;
      continue;
    }
    const row = await firstDifferingRow([facts, a], [other, b]);
    return { ...result, difference: { batch: a, other: b, sameLabels: hasSameLabels(a, b), row } };
  }
}

const byPlace = (a: BatchPlace, b: BatchPlace): number =>
  a.step - b.step || a.rank - b.rank || a.microBatch - b.microBatch;

const placeOf = ({ step, rank, microBatch }: BatchPlace): BatchPlace => ({ step, rank, microBatch });

/** Batches of a run in their order. */
class Reader {
  readonly #facts: BatchFacts;
  #page: readonly BatchFact[] = [];
  #at = 0;
  #next: BatchPlace | undefined;
  /** Batches that were passed. */
  read = 0;

  constructor(facts: BatchFacts, from: BatchPlace) {
    this.#facts = facts;
    this.#next = from;
  }

  /** The next batch; undefined after the last. */
  async peek(): Promise<BatchFact | undefined> {
    if (this.#at === this.#page.length && this.#next !== undefined) {
      this.#page = await this.#facts.curve(this.#next, BATCHES_AT_ONCE);
      this.#at = 0;
      const last = this.#page.length < BATCHES_AT_ONCE ? undefined : this.#page.at(-1)!;
      this.#next = last && { ...placeOf(last), microBatch: last.microBatch + 1 };
    }
    return this.#page[this.#at];
  }

  skip(): void {
    this.#at++;
    this.read++;
  }
}
