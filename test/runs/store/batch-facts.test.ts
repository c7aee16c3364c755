/** Judgements of batches by the facts that the store has of them. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareRuns } from '../../../src/runs/comparison.ts';
import { judgeStep } from '../../../src/runs/disagreement/judge-step.ts';
import { readReruns } from '../../../src/runs/disagreement/reruns.ts';
import type { PlaceInStep } from '../../../src/runs/batch-facts.ts';
import type { BatchKey, KeyedRecording } from '../../../src/runs/record.ts';
import { shareOf } from '../../lists.ts';
import { recording } from '../recordings.ts';
import { openStore } from './open.ts';
import type { OpenedStore } from './open.ts';

const START = { step: 0, rank: 0, microBatch: 0 };

const key = (step: number, others: Partial<BatchKey> = {}): BatchKey => ({
  ...{ run: 'r', step, attempt: 0, rank: 0, microBatch: 0 },
  ...others,
});

const factsOf = async (store: OpenedStore, run = 'r') => (await store.facts(run))!;

const labelsOf = (...bytes: number[]): Uint8Array => new Uint8Array(16).fill(0).with(0, bytes[0] ?? 0);

test('the averages of a step do not depend on the order of its batches, and are exact', async () => {
  const store = await openStore();
  const number = fc.double({ min: 0.001, max: 1000, noNaN: true });
  const batches = fc.array(fc.tuple(fc.nat({ max: 3 }), number, fc.integer({ min: 0, max: 9 })), {
    minLength: 1,
    maxLength: 24,
  });
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(batches, fc.infiniteStream(fc.nat()), async (pairs, keys) => {
      const items = pairs.map(([rank, numerator, denominator], microBatch) => ({
        key: key(1, { rank, microBatch }),
        recording: recording(denominator === 0 ? 0 : numerator, denominator),
      }));
      const judged = [];
      for (const order of [items, items.toSorted(() => (keys.next().value! % 2) - 0.5)]) {
        const run = `r${runs++}`;
        await store.recordMany(order.map((item) => ({ ...item, key: { ...item.key, run } })));
        judged.push(await judgeStep(await factsOf(store, run), { step: 1, attempt: 0 }));
      }
      expect(judged[1]).toEqual(judged[0]);
      const counted = pairs.filter(([, , denominator]) => denominator > 0);
      const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);
      const { normalisation } = judged[0]!;
      if (counted.length === 0) {
        expect(normalisation).toMatchObject({ token_mean: NaN, mean_of_means: NaN });
        return;
      }
      const tokenMean = sum(counted.map(([, n]) => n)) / sum(counted.map(([, , d]) => d));
      expect(normalisation.token_mean).toBeCloseTo(tokenMean, 9);
      expect(normalisation.mean_of_means).toBeCloseTo(sum(counted.map(([, n, d]) => n / d)) / counted.length, 9);
      const ofRanks = [...Map.groupBy(counted, ([rank]) => rank).values()].map(
        (own) => sum(own.map(([, n]) => n)) / sum(own.map(([, , d]) => d)),
      );
      expect(normalisation.mean_of_rank_means).toBeCloseTo(sum(ofRanks) / ofRanks.length, 9);
    }),
    { numRuns: shareOf(40, 4) },
  );
});

test('a step of more batches than a page is judged as a whole, and declared losses of many ranks are read', async () => {
  const store = await openStore();
  const items: KeyedRecording[] = Array.from({ length: 2500 }, (_, k) => ({
    key: key(1, { rank: k }),
    recording: recording(2 + (k % 7) / 10, 1),
    scalars: [['declared_loss', k === 2400 ? 77 : 2 + (k % 7) / 10]],
  }));
  for (let at = 0; at < items.length; at += 500) await store.recordMany(items.slice(at, at + 500));
  const judged = (await judgeStep(await factsOf(store), { step: 1, attempt: 0 }))!;
  expect(judged.normalisation.mean_of_means).toBeCloseTo(2.3, 3);
  expect(judged.findings).toMatchObject([{ kind: 'declared_loss_differs', ranks: [2400], declared: 77 }]);
  expect(await judgeStep(await factsOf(store), { step: 2, attempt: 0 })).toBeUndefined();
});

test('pages of reruns follow one another, and hold each repeated batch once', async () => {
  const store = await openStore();
  const batch = fc.record({ rank: fc.nat({ max: 3 }), microBatch: fc.nat({ max: 3 }), attempt: fc.nat({ max: 4 }) });
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { maxLength: 40 }), fc.integer({ min: 1, max: 5 }), async (batches, limit) => {
      const run = `r${runs++}`;
      const items = batches
        .toSorted((a, b) => a.attempt - b.attempt)
        .map((one) => ({ key: { ...key(7), ...one, run }, recording: recording(1 + one.attempt) }));
      const outcomes = await store.recordMany([{ key: { ...key(1), run }, recording: recording(1) }, ...items]);
      const created = items.filter((_, k) => outcomes[k + 1] === 'created').map((item) => item.key);
      const groups = Map.groupBy(created, ({ rank, microBatch }) => 10 * rank + microBatch);
      const expected = [...groups].filter(([, own]) => own.length > 1).toSorted(([a], [b]) => a - b);
      const found: [number, number[]][] = [];
      let from: PlaceInStep | undefined = { rank: 0, microBatch: 0 };
      while (from !== undefined) {
        const page = await readReruns(await factsOf(store, run), { step: 7, ...from }, { limit, tolerance: 0 });
        expect(page.reruns.length).toBeLessThanOrEqual(limit);
        for (const { rank, microBatch, attempts } of page.reruns)
          found.push([10 * rank + microBatch, attempts.map(({ attempt }) => attempt)]);
        from = page.next;
      }
      expect(found).toEqual(expected.map(([place, own]) => [place, own.map(({ attempt }) => attempt)]));
    }),
    { numRuns: shareOf(60, 4) },
  );
});

test.each([
  ['in the middle', [1, Number.NaN, 2]],
  ['last', [1, 2, Number.NaN]],
])('the difference of a loss that is not a number is reported: %s', async (_where, losses) => {
  const store = await openStore();
  const recordings = losses.map((loss, attempt) => ({ key: key(7, { attempt }), recording: recording(loss) }));
  for (const one of recordings) await store.record(one.key, one.recording);
  const { reruns } = await readReruns(await factsOf(store), { ...START, step: 7 }, { limit: 9, tolerance: 0 });
  expect(reruns).toMatchObject([{ attempts: [{}, {}, {}], relativeDifference: Number.NaN }]);
});

test('two runs are compared page by page up to their first difference', async () => {
  const store = await openStore();
  const record = async (run: string, count: number, lossAt: (step: number) => number): Promise<void> => {
    for (let at = 0; at < count; at += 1000) {
      const steps = Array.from({ length: Math.min(1000, count - at) }, (_, k) => at + k);
      await store.recordMany(steps.map((step) => ({ key: key(step, { run }), recording: recording(lossAt(step)) })));
    }
  };
  await record('a', 2500, (step) => step);
  await record('b', 2400, (step) => (step === 2350 ? -1 : step));
  await record('c', 1500, (step) => step);
  const [a, b, c] = [await factsOf(store, 'a'), await factsOf(store, 'b'), await factsOf(store, 'c')];
  expect(await compareRuns(a, b, START)).toMatchObject({
    ...{ same: 2350, next: undefined },
    difference: { batch: { step: 2350, numerator: 2350 }, other: { numerator: -1 } },
  });
  expect(await compareRuns(a, b, { ...START, step: 2351 })).toMatchObject({ same: 49, difference: undefined });
  expect(await compareRuns(a, c, START)).toMatchObject({ same: 1500, difference: undefined, next: undefined });
  await record('long', 20_100, (step) => step);
  const long = await factsOf(store, 'long');
  const first = await compareRuns(long, long, START);
  expect(first).toMatchObject({ difference: undefined, next: { step: expect.any(Number) } });
  expect(await compareRuns(long, long, first.next!)).toMatchObject({ same: 20_100 - first.same, next: undefined });
});

test('a superseded branch is not part of a comparison', async () => {
  const store = await openStore();
  for (const run of ['a', 'b']) {
    await store.record(key(1, { run }), recording(1));
    await store.record(key(2, { run }), recording(run === 'a' ? 2 : 3));
    await store.record(key(2, { run, attempt: 1 }), recording(4));
  }
  expect(await compareRuns(await factsOf(store, 'a'), await factsOf(store, 'b'), START)).toMatchObject({
    ...{ same: 2, difference: undefined },
  });
});

test('losses of rows are kept where the loss is not finite or a spike, or those of another attempt are kept', async () => {
  const store = await openStore();
  const rowLosses = Float64Array.of(1, Number.NaN, 3);
  const record = (at: BatchKey, loss: number) =>
    store.recordMany([{ key: at, recording: { ...recording(loss), rowLosses } }]);
  await store.recordMany(Array.from({ length: 20 }, (_, step) => ({ key: key(step), recording: recording(2) })));
  await record(key(20), 9);
  await record(key(20, { rank: 1 }), 2.1);
  await record(key(20, { rank: 2 }), Number.NaN);
  await record({ ...key(20), run: 'other' }, 9);
  await record(key(20, { attempt: 1, rank: 3 }), 2);
  const facts = await factsOf(store);
  const kept = (rank: number, attempt = 0) => facts.rowLosses({ step: 20, attempt, rank, microBatch: 0 });
  expect(await kept(0)).toEqual(rowLosses);
  expect(await kept(1)).toBeUndefined();
  expect(await kept(2)).toEqual(rowLosses);
  expect(await kept(3, 1)).toBeUndefined();
  expect(await (await factsOf(store, 'other')).rowLosses({ ...key(20), rank: 0 })).toBeUndefined();
  await store.recordMany([
    { key: key(20, { attempt: 1 }), recording: { ...recording(2), rowLosses: Float64Array.of(1, Number.NaN, 4) } },
  ]);
  expect(await kept(0, 1)).toBeDefined();
  const { reruns } = await readReruns(facts, { ...START, step: 20 }, { limit: 10, tolerance: 0 });
  expect(reruns).toMatchObject([{ firstDifferingRow: 2, sameBits: false, verdict: 'undetermined' }]);
});

test('stale labels are told from a run whose labels never change', async () => {
  const store = await openStore();
  const record = (run: string, labels: readonly number[]) =>
    store.recordMany(
      labels.map((label, step) => ({
        key: key(step, { run }),
        recording: { ...recording(step), labelDigest: labelsOf(label) },
      })),
    );
  const kinds = async (run: string, step: number) =>
    (await judgeStep(await factsOf(store, run), { step, attempt: 0 }))!.findings.map(({ kind }) => kind);
  await record('stale', [1, 2, 3, 3, 4]);
  expect(await kinds('stale', 3)).toEqual(['stale_labels']);
  expect(await kinds('stale', 4)).toEqual([]);
  await record('fixed', [1, 1, 1, 1]);
  for (const step of [0, 1, 2, 3]) expect(await kinds('fixed', step)).toEqual([]);
});
