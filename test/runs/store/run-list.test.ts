import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { faultOfRunName } from '../../../src/contract/run-name.ts';
import { SORTS } from '../../../src/contract/runs.ts';
import type { RunSort } from '../../../src/contract/runs.ts';
import type { RunPlace, RunQuery } from '../../../src/runs/run-query.ts';
import type { RunStore } from '../../../src/runs/store.ts';
import { shareOf } from '../../lists.ts';
import { NEWEST, recording } from '../recordings.ts';
import { openStore } from './open.ts';

async function open(): Promise<{ store: RunStore; setTime: (time: number) => void }> {
  let now = 1_000_000;
  const store = await openStore(() => now);
  return { store, setTime: (time) => (now = time) };
}

const record = (store: RunStore, run: string, numerator = 1, step = 1) =>
  store.record({ run, step, attempt: 0, rank: 0, microBatch: 0 }, recording(numerator));

/** Names on all pages. @param between action after each page */
async function listAll(
  store: RunStore,
  query: RunQuery,
  { limit = 7, between = async (): Promise<unknown> => undefined } = {},
): Promise<string[]> {
  const names: string[] = [];
  for (let after: RunPlace | undefined; ;) {
    const { runs, next } = await store.runs(query, limit, after);
    expect(runs.length).toBeLessThanOrEqual(limit);
    names.push(...runs.map(({ run }) => run));
    if (next === undefined) return names;
    after = next;
    await between();
  }
}

describe('orders', () => {
  test('are those of creation, of names, and of changes with the newest of a tie first', async () => {
    const { store, setTime } = await open();
    for (const run of ['b', 'B', 'a.10', 'a.9', 'described']) {
      if (run === 'described') await store.describe(run, {});
      else await record(store, run);
    }
    setTime(2_000_000);
    for (const run of ['a.10', 'b']) await record(store, run, 1, 2);
    const listed = Object.fromEntries(
      await Promise.all(SORTS.map(async (sort) => [sort, await listAll(store, { search: '', sort }, { limit: 2 })])),
    ) as Record<RunSort, string[]>;
    expect(listed).toEqual({
      newest: ['described', 'a.9', 'a.10', 'B', 'b'],
      oldest: ['b', 'B', 'a.10', 'a.9', 'described'],
      name: ['B', 'a.10', 'a.9', 'b', 'described'],
      updated: ['a.10', 'b', 'described', 'a.9', 'B'],
    });
  });

  test.each(SORTS)('%s: all runs come once, while others are added, removed and described', async (sort) => {
    const { store, setTime } = await open();
    // Seven changes a millisecond, so that pages end among ties; every third run has no steps.
    const kept: string[] = [];
    for (let k = 0; k < 100; k++) {
      setTime(1_000_000 + Math.floor(k / 7));
      const run = `run-${(k * 37) % 100}`;
      if (k % 3 === 0) await store.describe(run, { labels: { k } });
      else await record(store, run, k % 5 === 0 ? Number.NaN : k);
      if (k % 4 === 0) await store.describe(`gone-${k}`, {});
      kept.push(run);
    }
    let pages = 0;
    const listed = await listAll(
      store,
      { search: '', sort },
      {
        between: async () => {
          setTime(2_000_000 + pages);
          await record(store, `added-${pages}`);
          await store.describe(`run-${pages}`, { labels: { described: true } });
          await store.remove(`gone-${4 * (pages++ % 25)}`);
        },
      },
    );
    expect(pages).toBeGreaterThan(10);
    expect(listed.length).toBe(new Set(listed).size);
    expect(listed.filter((run) => run.startsWith('run-')).toSorted()).toEqual(kept.toSorted());
  });

  test('updated: a run that changes between pages is on the pages before, and not twice', async () => {
    const { store, setTime } = await open();
    for (let k = 0; k < 20; k++) {
      setTime(1_000_000 + k);
      await record(store, `run-${k}`);
    }
    const listed = await listAll(
      store,
      { search: '', sort: 'updated' },
      {
        between: async () => {
          setTime(2_000_000);
          for (const run of ['run-19', 'run-0']) await record(store, run, 1, 2);
        },
      },
    );
    expect(listed).toEqual(Array.from({ length: 19 }, (_, k) => `run-${19 - k}`));
  });
});

describe('a page', () => {
  test('counts all runs that match, on the first page alone', async () => {
    const { store, setTime } = await open();
    for (let k = 0; k < 20; k++) await record(store, `old-${k}`, k % 4 === 0 ? Number.NaN : 1);
    setTime(2_000_000);
    for (let k = 0; k < 10; k++) await record(store, `new-${k}`, k % 5 === 0 ? Number.NaN : 1);
    await store.describe('new-described', {});
    const first = await store.runs(NEWEST, 5, undefined);
    expect(first.counts).toEqual({ total: 31, active: 10, nonFinite: 7 });
    expect((await store.runs(NEWEST, 5, first.next)).counts).toBeUndefined();
    const search = { search: 'new-', sort: 'name' } as const;
    expect((await store.runs(search, 5, undefined)).counts).toEqual({ total: 11, active: 10, nonFinite: 2 });
    expect(await store.runs({ search: 'none', sort: 'updated' }, 5, undefined)).toEqual({
      ...{ runs: [], next: undefined, counts: { total: 0, active: 0, nonFinite: 0 } },
    });
  });

  test('has no next page when it has the last run', async () => {
    const { store } = await open();
    for (let k = 0; k < 6; k++) await record(store, `run-${k}`);
    for (const sort of SORTS) {
      const { next } = await store.runs({ search: '', sort }, 3, undefined);
      expect((await store.runs({ search: '', sort }, 3, next)).next, sort).toBeUndefined();
    }
  });

  test('has neither removed runs nor counts them, however they are found', async () => {
    const { store } = await open();
    for (const run of ['a', 'removed', 'b']) await record(store, run);
    await store.remove('removed');
    for (const sort of SORTS) {
      for (const search of ['', 'removed', '~', 'a']) {
        const { runs, counts } = await store.runs({ search, sort }, 10, undefined);
        const expected = ['a', 'b'].filter((run) => run.includes(search));
        expect(runs.map(({ run }) => run).toSorted()).toEqual(expected);
        expect(counts!.total).toBe(expected.length);
      }
    }
  });
});

/** Plain reference implementation of the filter of runs. */
function filtered(runs: ReadonlyMap<string, Record<string, unknown>>, search: string): string[] {
  const words = search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  return [...runs.keys()].filter((run) => {
    const texts = [run.toLowerCase()];
    for (const [name, value] of Object.entries(runs.get(run)!)) texts.push(`${name}=${String(value)}`.toLowerCase());
    return words.every((word) => texts.some((text) => text.includes(word)));
  });
}

test('a search finds what the plain filter finds, in every order', async () => {
  const letters = fc.constantFrom(...'aAbB1%_*?[]\\\'"=.ßẞİıéÉσςΣ😀 \u00a0\t'.split(''), '😀', '\u0301', '~removed ');
  const text = fc.string({ unit: letters, maxLength: 6 });
  const value = fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer(), fc.boolean());
  const labels = fc.dictionary(fc.stringMatching(/^[aAbB1][aA._/-]{0,2}$/), value, { maxKeys: 4 });
  const plain = fc.stringMatching(/^[aAbB1][aAbB1._~:-]{0,4}$/);
  const name = fc.oneof(
    plain,
    text.filter((given) => faultOfRunName(given) === undefined),
  );
  const names = fc.uniqueArray(name, { minLength: 1, maxLength: 12 });
  const store = await openStore();
  await fc.assert(
    fc.asyncProperty(
      names.chain((runs) =>
        fc.tuple(fc.constant(runs), fc.array(labels, { minLength: runs.length, maxLength: runs.length })),
      ),
      fc.array(fc.oneof(text, fc.stringMatching(/^[aAbB1=._ -]{0,3}$/)), { minLength: 5, maxLength: 5 }),
      async ([runs, labelsOfRuns], searches) => {
        const all = new Map(runs.map((run, k) => [run, labelsOfRuns[k]!]));
        for (const [run, own] of all) await store.describe(run, { labels: own });
        // Also searches for values of labels, so that some searches have results.
        const known = Object.values(labelsOfRuns[0]!).map(String);
        for (const search of [...searches, ...known]) {
          const expected = filtered(all, search).toSorted();
          for (const sort of SORTS) {
            expect((await listAll(store, { search, sort }, { limit: 3 })).toSorted()).toEqual(expected);
          }
          expect((await store.runs({ search, sort: 'name' }, 1, undefined)).counts!.total).toBe(expected.length);
        }
        for (const run of runs) await store.remove(run);
      },
    ),
    { numRuns: shareOf(100, 4) },
  );
});
