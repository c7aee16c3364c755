import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { STATES } from '../../../src/contract/run-metadata.ts';
import { SORTS } from '../../../src/contract/runs.ts';
import type { RunMetadata } from '../../../src/runs/record.ts';
import type { RunPlace, RunQuery } from '../../../src/runs/run-query.ts';
import type { RunStore } from '../../../src/runs/store.ts';
import { wireSummary } from '../../../src/runs/wire.ts';
import { shareOf } from '../../lists.ts';
import { ALL, recording } from '../recordings.ts';
import { openStore } from './open.ts';

const MINUTE = 60_000;
const START = 1_700_000_000_000;

async function open(): Promise<{ store: RunStore; wait: (minutes: number) => void; now: () => number }> {
  let now = START;
  return { store: await openStore(() => now), wait: (minutes) => (now += minutes * MINUTE), now: () => now };
}

/** Texts of numbers in other forms than JavaScript writes, with their values. */
const SAME: Record<string, number> = { '1.0': 1, '5e-1': 0.5, '-1.0E-1': -0.1 };

const isSame = (label: string, labels: Record<string, unknown>): boolean => {
  const [, name, text] = /^([^=]*)=(.*)$/s.exec(label)!;
  return Object.hasOwn(SAME, text!) && labels[name!] === SAME[text!];
};

const keyOf = (run: string, step = 1) => ({ run, step, attempt: 0, rank: 0, microBatch: 0 });
const record = (store: RunStore, run: string, step = 1) => store.record(keyOf(run, step), recording(1));

async function listAll(store: RunStore, query: RunQuery, limit = 3): Promise<string[]> {
  const names: string[] = [];
  for (let after: RunPlace | undefined; ;) {
    const { runs, next } = await store.runs(query, limit, after);
    names.push(...runs.map(({ run }) => run));
    if (next === undefined) return names;
    after = next;
  }
}

describe('metadata', () => {
  test('is kept field by field, and absent fields keep their values', async () => {
    const { store, now } = await open();
    const first: RunMetadata = { labels: { lr: 1e-4 }, state: 'running', notes: 'a\n“b”', tags: ['x', 'é"\\'] };
    expect(await store.describe('r', first)).toBe(true);
    expect(await store.metadata('r')).toEqual({ ...first, archived: false });
    expect(await store.describe('r', { archived: true, expectedRanks: 2 })).toBe(false);
    const second = { ...first, archived: true, expectedRanks: 2 };
    expect(await store.metadata('r')).toEqual(second);
    expect(await store.describe('r', { archived: false, tags: [], notes: '', state: 'failed' })).toBe(false);
    const third = { ...second, archived: false, tags: [], notes: '', state: 'failed' };
    expect(await store.metadata('r')).toEqual(third);
    expect(wireSummary((await store.run('r'))!, now())).toMatchObject({
      ...{ state: 'failed', notes: '', tags: [], archived: false, labels: { lr: 1e-4 }, expected_ranks: 2 },
    });
  });

  test('says a state for the time of its saying: silence makes it crashed, recording makes it run', async () => {
    const { store, wait, now } = await open();
    const state = async (): Promise<string> => wireSummary((await store.run('r'))!, now()).state;
    await record(store, 'r');
    expect(await state()).toBe('running');
    wait(6);
    expect(await state()).toBe('idle');
    await store.describe('r', { state: 'running' });
    wait(31);
    expect(await state()).toBe('crashed');
    await record(store, 'r', 2);
    expect(await state()).toBe('running');
    await store.describe('r', { state: 'finished' });
    wait(1000);
    // A repeated recording does not change the state.
    expect(await record(store, 'r', 2)).toBe('repeated');
    expect(await state()).toBe('finished');
    await record(store, 'r', 3);
    expect(await state()).toBe('running');
  });
});

describe('a list', () => {
  test('has archived runs only when it is asked for them, and counts what it has', async () => {
    const { store } = await open();
    for (const run of ['a', 'b', 'c']) await record(store, run);
    await store.describe('b', { archived: true });
    for (const sort of SORTS) {
      for (const [archived, expected] of [
        [undefined, ['a', 'c']],
        ['false', ['a', 'c']],
        ['true', ['b']],
        ['any', ['a', 'b', 'c']],
      ] as const) {
        const query = { search: '', sort, archived };
        expect((await listAll(store, query, 1)).toSorted()).toEqual(expected);
        expect((await store.runs(query, 1, undefined)).counts!.total).toBe(expected.length);
      }
    }
  });

  test('finds what a plain filter of state, labels and tags finds, in every order', async () => {
    const word = fc.constantFrom('a', 'b', ',', '"', '\\', 'a","b', '1', 'true', '=', 'é', '\u0000', '\ud800');
    const value = fc.oneof(word, fc.constantFrom(1, true, 0.5, 1e21, -0.1));
    const run = fc.record(
      {
        labels: fc.dictionary(fc.constantFrom('a', 'b', 'b/c'), value, { maxKeys: 3 }),
        tags: fc.uniqueArray(fc.constantFrom('a', 'b', ',', '"', '\\', 'a","b', 'é'), { maxLength: 3 }),
        state: fc.constantFrom('running', 'finished', 'failed'),
        archived: fc.boolean(),
      },
      { requiredKeys: [] },
    );
    const query = fc.record({
      search: fc.constantFrom('', 'a', 'b/c=1'),
      sort: fc.constantFrom(...SORTS),
      state: fc.option(fc.constantFrom(...STATES), { nil: undefined }),
      labels: fc.array(
        fc
          .tuple(
            fc.constantFrom('a', 'b', 'b/c', 'toString'),
            fc.oneof(value, fc.constantFrom('1.0', '5e-1', '-1.0E-1')),
          )
          .map(([name, text]) => `${name}=${text}`),
        { maxLength: 2 },
      ),
      tags: fc.array(fc.constantFrom('a', 'b', ',', '"', 'a","b', 'é'), { maxLength: 2 }),
      archived: fc.constantFrom(undefined, 'false', 'true', 'any' as const),
    });
    const { store, wait, now } = await open();
    await fc.assert(
      fc.asyncProperty(
        fc.array(run, { minLength: 1, maxLength: 6 }),
        fc.array(query, { maxLength: 4 }),
        async (runs, queries) => {
          for (let k = 0; k < 6; k++) await store.remove(`run ${k}`);
          for (const [k, metadata] of runs.entries()) {
            const labels = Object.fromEntries(Object.entries(metadata.labels ?? {}));
            await store.describe(`run ${k}`, { ...metadata, labels });
            if (k % 2 === 0) await record(store, `run ${k}`);
            wait(20);
          }
          for (const asked of queries) {
            const expected: string[] = [];
            for (const k of runs.keys()) {
              const found = wireSummary((await store.run(`run ${k}`))!, now());
              const labels = Object.entries(found.labels).map(([name, text]) => `${name}=${text}`);
              const words = asked.search === '' || [found.run, ...labels].some((text) => text.includes(asked.search));
              const isAsked =
                words &&
                (asked.state === undefined || asked.state === found.state) &&
                asked.labels.every((label) => labels.includes(label) || isSame(label, found.labels)) &&
                asked.tags.every((tag) => found.tags.includes(tag)) &&
                (asked.archived === 'any' || found.archived === (asked.archived === 'true'));
              if (isAsked) expected.push(found.run);
            }
            expect((await listAll(store, asked)).toSorted()).toEqual(expected);
            expect((await store.runs(asked, 1, undefined)).counts!.total).toBe(expected.length);
          }
        },
      ),
      { numRuns: shareOf(60, 4) },
    );
  });
});

describe('a renamed run', () => {
  test('has all that was recorded, and its old name is free', async () => {
    const { store } = await open();
    await record(store, 'old');
    await store.describe('old', { tags: ['t'] });
    const [id, steps] = [await store.idOf('old'), await store.steps('old', ALL, 10)];
    expect(await store.rename('old', 'new/name')).toBe('renamed');
    expect([await store.idOf('old'), await store.idOf('new/name')]).toEqual([undefined, id]);
    expect(await store.steps('new/name', ALL, 10)).toEqual(steps);
    expect(await store.metadata('new/name')).toMatchObject({ tags: ['t'] });
    expect((await store.changes(0, 10)).changed.map(({ run }) => run)).toEqual(['new/name']);
    expect(await record(store, 'old')).toBe('created');
    expect(await store.idOf('old')).not.toBe(id);
  });

  test('takes no name that another one has, and none has a name of its own', async () => {
    const { store } = await open();
    for (const run of ['a', 'b']) await record(store, run);
    expect(await store.rename('a', 'b')).toBe('taken');
    expect(await store.rename('nobody', 'c')).toBe('unknown');
    expect(await store.rename('nobody', 'b')).not.toBe('renamed');
    expect(await store.rename('a', 'a')).toBe('renamed');
    expect(await listAll(store, { search: '', sort: 'name' })).toEqual(['a', 'b']);
  });
});

describe('the oldest run', () => {
  test('is removed when nothing was recorded or said for the time, one after the other', async () => {
    const { store, wait, now } = await open();
    await store.describe('described', {});
    wait(1);
    for (const run of ['first', 'second', 'said']) {
      await record(store, run);
      wait(1);
    }
    wait(60);
    await store.describe('said', { state: 'running' });
    await record(store, 'recorded');
    const before = now() - 10 * MINUTE;
    const removed = [];
    for (let k = 0; k < 5; k++) removed.push(await store.removeOldest(before));
    expect(removed).toEqual(['described', 'first', 'second', undefined, undefined]);
    expect(await listAll(store, { search: '', sort: 'name' })).toEqual(['recorded', 'said']);
  });

  test('gives its bytes back', async () => {
    const { store, now } = await open();
    const items = Array.from({ length: 500 }, (_, step) => ({
      key: keyOf('large', step),
      recording: recording(step),
      scalars: [['lr', step] as const],
    }));
    await record(store, 'small');
    const before = (await store.size())!;
    await store.recordMany(items);
    const full = (await store.size())!;
    expect(full).toBeGreaterThan(before + 100_000);
    await store.remove('small');
    expect(await store.removeOldest(now() + 1)).toBe('large');
    expect((await store.size())!).toBeLessThan(before + 20_000);
  });
});

describe('a quota', () => {
  const creator = { owner: 'key', mostRuns: 2 };

  test('refuses a new run of the key that is one too many, and nothing else', async () => {
    const { store } = await open();
    const recordAs = (run: string, step = 1) =>
      store.recordMany([{ key: keyOf(run, step), recording: recording(1), creator }]);
    await record(store, 'of nobody');
    expect(await recordAs('one')).toEqual(['created']);
    expect(await store.describe('two', {}, creator)).toBe(true);
    expect(await recordAs('three')).toEqual(['over_quota']);
    await expect(store.describe('three', {}, creator)).rejects.toMatchObject({ code: 'quota_exceeded' });
    // The quota applies neither to existing runs, also of other creators, nor to other keys.
    expect(await recordAs('of nobody', 2)).toEqual(['created']);
    expect(await recordAs('two', 2)).toEqual(['created']);
    expect(await store.describe('two', { tags: ['a'] }, creator)).toBe(false);
    expect(await store.describe('of another', {}, { owner: 'another', mostRuns: 1 })).toBe(true);
    expect(await store.describe('unbounded', {}, { owner: 'key', mostRuns: undefined })).toBe(true);
    expect(await store.idOf('three')).toBeUndefined();
    for (const run of ['one', 'unbounded']) await store.remove(run);
    expect(await recordAs('three')).toEqual(['created']);
  });

  test('holds for recordings of several runs at once', async () => {
    const { store } = await open();
    const items = ['a', 'b', 'c', 'a', 'd', 'free'].map((run, step) => ({
      key: keyOf(run, step),
      recording: recording(1),
      ...(run !== 'free' && { creator }),
    }));
    expect(await store.recordMany(items)).toEqual([
      ...['created', 'created', 'over_quota', 'created', 'over_quota', 'created'],
    ]);
    expect(await listAll(store, { search: '', sort: 'name' })).toEqual(['a', 'b', 'free']);
  });

  test('is not exceeded by requests at the same time', async () => {
    const { store } = await open();
    const made = await Promise.allSettled(
      Array.from({ length: 12 }, (_, k) => store.describe(`run ${k}`, {}, { owner: 'key', mostRuns: 5 })),
    );
    expect(made.filter(({ status }) => status === 'fulfilled').length).toBe(5);
  });
});
