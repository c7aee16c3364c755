/** Comparison of two runs, batch by batch along their curves. */
import { hasSameLabels, isSameContent } from './batch-facts.ts';
import type { BatchFact, BatchFacts } from './batch-facts.ts';
import { firstDifferingRow } from './disagreement/row-losses.ts';
import type { DifferingRow } from './disagreement/row-losses.ts';
import type { BatchPlace } from './store.ts';

/** Batches per read, and most batches that one comparison reads of each run on average. */
const BATCHES_AT_ONCE = 1000;
const MOST_READ = 20_000;

/** The first batch in which two runs differ. */
export interface Difference {
  batch: BatchFact;
  other: BatchFact;
  sameLabels: boolean | undefined;
  /** First row that differs; undefined when the row losses of one batch are not stored. */
  row: DifferingRow | undefined;
}

export interface Comparison {
  /** Number of batches that both runs have with the same content. */
  same: number;
  difference: Difference | undefined;
  /** The first batches that only one run has, before the end of the other run. */
  onlyHere: BatchPlace | undefined;
  onlyThere: BatchPlace | undefined;
  /** Place where the next comparison continues; undefined when this one is complete. */
  next: BatchPlace | undefined;
}

/** Compares two runs from a place on. Stops at the first difference, at the end of a run, or after 2 · MOST_READ batches. */
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
  /** Number of batches that were skipped. */
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
