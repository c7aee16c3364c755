import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findSpikes } from '../../../src/loss/spike.ts';
import type { KeyedRecording, Outcome, Scalars } from '../../../src/runs/record.ts';
import { MOST_SERIES } from '../../../src/runs/scalars.ts';
import type { ScalarQuery } from '../../../src/runs/scalars.ts';
import type { RunStore } from '../../../src/runs/store.ts';
import { shareOf } from '../../lists.ts';
import { recording } from '../recordings.ts';
import { openStore } from './open.ts';

const item = (step: number, scalars: Scalars, { rank = 0, attempt = 0, run = 'r' } = {}): KeyedRecording => ({
  key: { run, step, attempt, rank, microBatch: 0 },
  scalars,
});

const ALL: ScalarQuery = {
  ...{ from: 0, to: Number.MAX_SAFE_INTEGER, attempt: undefined, maxPoints: undefined, limit: 2000 },
};

const curveOf = async (store: RunStore, name: string, query: Partial<ScalarQuery> = {}, run = 'r') =>
  (await store.scalarCurve(run, name, { ...ALL, ...query }))!;

const valuesOf = async (store: RunStore, name: string, query: Partial<ScalarQuery> = {}, run = 'r') =>
  (await curveOf(store, name, query, run)).points.map(({ step, attempt, value }) => [step, attempt, value]);

test('scalars are kept by name, step and rank; a point is the mean over the ranks', async () => {
  const store = await openStore();
  const outcomes = await store.recordMany([
    item(1, [
      ['lr', 0.5],
      ['grad_norm/layers.3', Number.NaN],
    ]),
    item(1, [['lr', 1.5]], { rank: 3 }),
    item(2, [['lr', Infinity]]),
    item(3, [['lr', -0]]),
  ]);
  expect(outcomes).toEqual(['created', 'created', 'created', 'created']);
  expect((await curveOf(store, 'lr')).points).toEqual([
    { step: 1, attempt: 0, value: 1, ranks: 2, range: { min: 0.5, max: 1.5 }, nonFinite: false, spike: false },
    { step: 2, attempt: 0, value: Infinity, ranks: 1, range: undefined, nonFinite: true, spike: false },
    { step: 3, attempt: 0, value: 0, ranks: 1, range: { min: 0, max: 0 }, nonFinite: false, spike: false },
  ]);
  expect(await store.scalars('r')).toMatchObject([
    { name: 'grad_norm/layers.3', points: 1, last: { step: 1, value: Number.NaN } },
    { name: 'lr', points: 4, last: { step: 3, value: 0 } },
  ]);
  expect(await store.scalarCurve('r', 'none', ALL)).toBeUndefined();
  expect(await store.scalarCurve('none', 'lr', ALL)).toBeUndefined();
  expect(await store.scalars('none')).toBeUndefined();
  // Scalars create no steps of the loss.
  expect(await store.run('r')).toMatchObject({ steps: 0, batches: 0, ranks: 0 });
});

test('an item is recorded once; another value, or another pair, is a conflict, and nothing of it is kept', async () => {
  const store = await openStore();
  const key = { run: 'r', step: 1, attempt: 0, rank: 0, microBatch: 0 };
  const both = { key, recording: recording(2), scalars: [['a', 1]] as const };
  const cases: [KeyedRecording, Outcome][] = [
    [both, 'created'],
    [both, 'repeated'],
    [{ key, recording: recording(2) }, 'repeated'],
    [{ key, scalars: [['a', 1]] }, 'repeated'],
    [{ key, scalars: [['a', 2]] }, 'conflict'],
    [{ key, recording: recording(2), scalars: [['a', 2], ['b', 1]] }, 'conflict'], // prettier-ignore
    [{ key, recording: recording(3), scalars: [['b', 1]] }, 'conflict'],
    [{ key, recording: recording(2), scalars: [['a', 1], ['b', Number.NaN]] }, 'created'], // prettier-ignore
    [{ key, scalars: [['b', Number.NaN]] }, 'repeated'],
    [{ key: { ...key, microBatch: 1 }, scalars: [['b', 3]] }, 'conflict'],
  ];
  for (const [one, outcome] of cases) expect(await store.recordMany([one]), JSON.stringify(one)).toEqual([outcome]);
  // The same items, in one transaction.
  const other = cases.map(([one]) => ({ ...one, key: { ...one.key, run: 's' } }));
  expect(await store.recordMany(other)).toEqual(cases.map(([, outcome]) => outcome));
  for (const run of ['r', 's']) {
    expect(await valuesOf(store, 'a', {}, run)).toEqual([[1, 0, 1]]);
    expect(await valuesOf(store, 'b', {}, run)).toEqual([[1, 0, Number.NaN]]);
    expect(await store.run(run)).toMatchObject({ steps: 1, batches: 1, last: { step: 1, loss: 2 } });
  }
});

test('scalars of an attempt that resumes supersede those behind it, and steps; the others stay readable', async () => {
  const store = await openStore();
  for (let step = 0; step < 6; step++) {
    const key = { run: 'r', step, attempt: 0, rank: 0, microBatch: 0 };
    await store.recordMany([{ key, recording: recording(step), scalars: [['lr', step]] }]);
  }
  expect(await store.recordMany([item(3, [['lr', 30]], { attempt: 1 })])).toEqual(['created']);
  expect(await store.recordMany([item(4, [['lr', 4]])])).toEqual(['superseded']);
  expect(await store.recordMany([item(2, [['lr', 2]])])).toEqual(['repeated']);
  expect(await valuesOf(store, 'lr')).toEqual([[0, 0, 0], [1, 0, 1], [2, 0, 2], [3, 1, 30]]); // prettier-ignore
  expect(await valuesOf(store, 'lr', { attempt: 0 })).toHaveLength(6);
  expect(await store.run('r')).toMatchObject({ steps: 3, last: { step: 2 } });
  expect(await store.attempts('r')).toEqual([
    { attempt: 0, firstStep: 0, isLive: true },
    { attempt: 1, firstStep: 3, isLive: true },
  ]);
  expect(await store.recordMany([item(0, [['lr', 7]], { attempt: 2 })])).toEqual(['created']);
  expect((await store.attempts('r'))!.map(({ isLive }) => isLive)).toEqual([false, false, true]);
  expect(await valuesOf(store, 'lr')).toEqual([[0, 2, 7]]);
  const { rows, next } = await store.exportScalars('r', { series: -1, attempt: 0, step: 0, rank: 0 }, 100);
  expect(rows).toEqual([{ step: 0, attempt: 2, rank: 0, name: 'lr', value: 7 }]);
  expect(next).toBeUndefined();
});

test('in whatever order and grouping items come, the same is kept', async () => {
  const store = await openStore();
  const one = fc.record({
    ...{ step: fc.nat({ max: 6 }), rank: fc.nat({ max: 2 }), name: fc.constantFrom('a', 'b/c', 'ü') },
    ...{ value: fc.double(), pair: fc.boolean() },
  });
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(one, { maxLength: 30 }), fc.infiniteStream(fc.nat({ max: 7 })), async (given, sizes) => {
      const items = given.map(({ step, rank, name, value, pair }, k) => ({
        key: { run: '', step, attempt: 0, rank, microBatch: k },
        recording: pair ? recording(value) : undefined,
        scalars: [[name, step + rank / 7] as const],
      }));
      const kept: unknown[] = [];
      for (const order of [items, items.toReversed()]) {
        const run = `r${runs++}`;
        const named = order.map((other) => ({ ...other, key: { ...other.key, run } }));
        while (named.length > 0) {
          const outcomes = await store.recordMany(named.splice(0, 1 + sizes.next().value));
          for (const outcome of outcomes) expect(['created', 'repeated']).toContain(outcome);
        }
        const all = await store.scalars(run);
        kept.push({
          curves: await Promise.all((all ?? []).map(({ name }) => curveOf(store, name, {}, run))),
          steps: (await store.steps(run, { from: 0, to: 10 }, 100)).map(({ loss, ranks }) => [loss, ranks]),
          run: all && { ...(await store.run(run)), run: '', createdAt: 0, updatedAt: 0 },
        });
      }
      expect(kept[1]).toEqual(kept[0]);
    }),
    { numRuns: shareOf(60, 4) },
  );
});

test('pages of points follow one another, and spikes are those of the rule, in pages and in samples', async () => {
  const store = await openStore();
  const count = 3000;
  const values = Array.from({ length: count }, (_, k) => Math.sin(k / 50) + (k % 611 === 400 ? 8 : 0));
  values[1234] = Number.NaN;
  values[1235] = -Infinity;
  for (let at = 0; at < count; at += 500) {
    await store.recordMany(values.slice(at, at + 500).map((value, k) => item(2 * (at + k), [['v', value]])));
  }
  const spikes = findSpikes(values);
  const found: number[] = [];
  for (let from: number | undefined = 0; from !== undefined;) {
    const page = await curveOf(store, 'v', { from, limit: 700 });
    for (const { step, value, spike } of page.points) {
      expect(value).toBe(values[step / 2]);
      expect(spike).toBe(spikes[step / 2]);
      found.push(step);
    }
    from = page.next;
  }
  expect(found).toEqual(values.map((_, k) => 2 * k));
  const { points } = await curveOf(store, 'v', { maxPoints: 200 });
  expect(points.length).toBeLessThanOrEqual(200);
  const steps = points.map(({ step }) => step);
  expect(steps).toEqual(steps.toSorted((a, b) => a - b));
  expect(steps).toEqual(expect.arrayContaining([0, 2 * (count - 1), 2 * 1234, 2 * 1235]));
  for (const { step, spike } of points) expect(spike).toBe(spikes[step / 2]);
  expect(points.filter(({ spike }) => spike).map(({ step }) => step / 2)).toEqual(
    spikes.flatMap((spike, k) => (spike ? [k] : [])),
  );
  // A short range is not sampled.
  const short = await curveOf(store, 'v', { from: 100, to: 120, maxPoints: 200 });
  expect(short.points.map(({ step }) => step)).toEqual([100, 102, 104, 106, 108, 110, 112, 114, 116, 118, 120]);
});

test('a step of many ranks is one point, wherever a page of rows ends', async () => {
  const store = await openStore();
  const ranks = 700;
  for (const step of [1, 2, 3]) {
    await store.recordMany(Array.from({ length: ranks }, (_, rank) => item(step, [['v', rank + step]], { rank })));
  }
  const mean = (ranks - 1) / 2;
  expect(await valuesOf(store, 'v')).toEqual([[1, 0, mean + 1], [2, 0, mean + 2], [3, 0, mean + 3]]); // prettier-ignore
  const { points } = await curveOf(store, 'v', { maxPoints: 8 });
  expect(points.map((point) => [point.value, point.ranks])).toEqual([1, 2, 3].map((step) => [mean + step, ranks]));
  expect((await store.scalars('r'))![0]).toMatchObject({ last: { step: 3, value: mean + 3, ranks } });
});

test('a run has a bounded number of names', async () => {
  const store = await openStore();
  const names = Array.from({ length: MOST_SERIES }, (_, k) => [`n${k}`, k] as const);
  expect(await store.recordMany([item(1, names)])).toEqual(['created']);
  expect(await store.recordMany([item(2, [['one more', 1]]), item(2, [['n7', 1]])])).toEqual(['full', 'created']);
  expect(await store.scalars('r')).toHaveLength(MOST_SERIES);
});

test('a run that is removed loses its scalars, and begins anew', async () => {
  const store = await openStore();
  await store.recordMany([item(5, [['lr', 1]], { attempt: 3 })]);
  expect(await store.remove('r')).toBe(true);
  expect(await store.scalars('r')).toBeUndefined();
  expect(await store.recordMany([item(1, [['lr', 2]])])).toEqual(['created']);
  expect(await valuesOf(store, 'lr')).toEqual([[1, 0, 2]]);
  expect(await store.attempts('r')).toEqual([{ attempt: 0, firstStep: 1, isLive: true }]);
});
