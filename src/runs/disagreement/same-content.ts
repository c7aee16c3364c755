/** Batches of a step with the same content, or the same labels, as other batches. */
import type { BatchFact, BatchFacts, PlaceInStep, StepOfAttempt } from '../batch-facts.ts';
import { nameRanks, placesOf } from './finding.ts';
import type { Finding } from './finding.ts';

/** Most micro-batches of a step whose labels are compared with the labels of the previous step. */
const MOST_LABELS = 10_000;

/** Steps before the previous step, in one of which the labels must differ: a run may train on a single batch. */
const STEPS_BEFORE = 8;

/** Most groups of equal batches that are reported. */
const MOST_GROUPS = 32;

/** Batches of a step, gathered page by page. */
export class SameContent {
  readonly #byDigest = new Map<string, PlaceInStep>();
  readonly #groups = new Map<string, PlaceInStep[]>();
  readonly #labels: BatchFact[] = [];

  add(batch: BatchFact): void {
    // Without labels, or with too little information in the labels, content may be equal by chance.
    if (batch.labelDigest === undefined || !(batch.denominator > 0)) return;
    if (this.#labels.length < MOST_LABELS) this.#labels.push(batch);
    const digest = Buffer.from(batch.digest).toString('latin1');
    const { rank, microBatch } = batch;
    const first = this.#byDigest.get(digest);
    if (first === undefined) {
      this.#byDigest.set(digest, { rank, microBatch });
      return;
    }
    const group = this.#groups.get(digest) ?? [first];
    group.push({ rank, microBatch });
    this.#groups.set(digest, group);
  }

  /** Batches of several ranks with the same rows and labels. */
  get sameBatches(): Finding[] {
    return [...this.#groups.values()]
      .map((group) => ({ ...placesOf(group), kind: 'same_batch' as const }))
      .filter(({ ranks }) => ranks.length > 1)
      .slice(0, MOST_GROUPS)
      .map((finding) => ({
        ...finding,
        summary: `${nameRanks(finding.ranks)} recorded the same batch, bit for bit: one of them has the data of another`,
      }));
  }

  /** Batches with the same labels as the previous step, at the same rank and micro-batch, but with different rows. */
  async staleLabels(facts: BatchFacts, at: StepOfAttempt): Promise<Finding[]> {
    if (this.#labels.length === 0) return [];
    const [previous, ...earlier] = await facts.stepsBefore(at.step, STEPS_BEFORE + 1);
    if (previous === undefined) return [];
    const stale: BatchFact[] = [];
    const before = new Map<string, BatchFact>();
    for (const batch of await facts.batches(previous, this.#labels[0]!, MOST_LABELS)) before.set(nameOf(batch), batch);
    for (const batch of this.#labels) {
      const old = before.get(nameOf(batch));
      if (old?.labelDigest === undefined || Buffer.compare(old.labelDigest, batch.labelDigest!) !== 0) continue;
      if (Buffer.compare(old.digest, batch.digest) !== 0) stale.push(batch);
    }
    if (stale.length === 0 || !(await hadOtherLabels(facts, stale[0]!, earlier))) return [];
    const places = placesOf(stale);
    const summary = `${nameRanks(places.ranks)} recorded other logits with the labels of step ${previous.step}: the labels were not replaced`;
    return [{ kind: 'stale_labels', ...places, previous_step: previous.step, summary }];
  }
}

async function hadOtherLabels(facts: BatchFacts, batch: BatchFact, steps: readonly StepOfAttempt[]): Promise<boolean> {
  for (const step of steps) {
    const [old] = await facts.batches(step, batch, 1);
    if (old === undefined || nameOf(old) !== nameOf(batch) || old.labelDigest === undefined) continue;
    if (Buffer.compare(old.labelDigest, batch.labelDigest!) !== 0) return true;
  }
  return false;
}

const nameOf = ({ rank, microBatch }: PlaceInStep): string => `${rank} ${microBatch}`;
