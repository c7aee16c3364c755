/** A history. test/fixtures/history has files of it that earlier versions wrote. */
import { SORTS } from '../../src/contract/runs.ts';
import type { RunStore } from '../../src/runs/store.ts';
import { batchPages } from '../../src/runs/store.ts';
import { ALL, recording } from './recordings.ts';

/** Time of all its recordings. */
export const KEPT_AT = 1_700_000_000_000;

const VALUES = [1, 0.1, Number.NaN, 3, Infinity, 1e300, -Infinity, 5e-324];

/** Records the history. */
async function recordKept(store: RunStore): Promise<void> {
  await store.describe('described', { labels: { model: 'char-lm', lr: 1e-4, ok: true }, expectedRanks: 8 });
  for (const attempt of [0, 1]) {
    for (let step = 6 * attempt; step < 10 - attempt; step++) {
      for (const rank of [0, 1, 2]) {
        for (const microBatch of [0, 1]) {
          const value = VALUES[(step * 5 + rank + microBatch) % 8]!;
          await store.record({ run: 'resumed', step, rank, microBatch, attempt }, recording(value, 3));
        }
      }
    }
  }
  await store.record({ run: 'removed', step: 0, rank: 0, microBatch: 0, attempt: 0 }, recording(1));
  await store.remove('removed');
}

/** Content of a store, in every form in which it can be read. */
async function contentOf(store: RunStore): Promise<unknown> {
  const lists = [];
  for (const sort of SORTS) lists.push(await store.runs({ search: '', sort }, 10, undefined));
  return {
    lists,
    steps: (await store.steps('resumed', ALL, 100)).map((step) => ({ ...step, sequence: 0 })),
    batches: (await Array.fromAsync(batchPages(store, 'resumed', ALL))).flat(),
    page: await store.stepPage('resumed', { step: 7, rank: 0, microBatch: 0 }, 100),
    metadata: await store.metadata('described'),
  };
}

/** Contents of a kept history and of a fresh one, before and after further recordings, with their outcomes. */
export async function compareKept(kept: RunStore, fresh: RunStore): Promise<{ kept: unknown[]; fresh: unknown[] }> {
  await recordKept(fresh);
  const [ofKept, ofFresh] = [kept, fresh].map(async (store): Promise<unknown[]> => {
    const before = await contentOf(store);
    const outcomes = [];
    for (const [step, attempt] of LATER) {
      const key = { run: 'resumed', step, rank: 5, microBatch: 0, attempt };
      outcomes.push(await store.record(key, recording(2)));
    }
    return [before, outcomes, await contentOf(store)];
  });
  return { kept: await ofKept!, fresh: await ofFresh! };
}

/** Steps and attempts of the further recordings. */
const LATER = [
  [3, 0],
  [7, 0],
  [8, 1],
  [2, 2],
] as const;
