import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { BatchKey, Outcome } from '../../../src/runs/record.ts';
import { MOST_DROPPED } from '../../../src/runs/recording.ts';
import { batchPages } from '../../../src/runs/store.ts';
import type { RunStore } from '../../../src/runs/store.ts';
import { shareOf } from '../../lists.ts';
import { ALL, recording } from '../recordings.ts';
import { makeHistory, openStore } from './open.ts';
import { attemptRow, runRow, stepRow } from './rows.ts';

const key = (step: number, attempt = 0, rank = 0): BatchKey => ({ run: 'r', step, attempt, rank, microBatch: 0 });

const stepsOf = async (store: RunStore, run = 'r') =>
  (await store.steps(run, ALL, 500)).map(({ step, attempt, loss }) => [step, attempt, loss]);

test('a run that resumed ends where its newest attempt ends, whatever was recorded behind that', async () => {
  const store = await openStore();
  for (let step = 0; step <= 30; step++) await store.record(key(step), recording(step === 30 ? Number.NaN : 9));
  expect(await store.run('r')).toMatchObject({ steps: 31, nonFiniteSteps: 1, last: { step: 30, loss: Number.NaN } });
  for (let step = 20; step <= 24; step++) {
    await store.record(key(step, 1), recording(step / 10));
    const last = { step, loss: step / 10 };
    expect(await store.run('r')).toMatchObject({ steps: step + 1, nonFiniteSteps: 0, last });
    expect(await store.newest(5)).toEqual([{ run: 'r', last }]);
  }
  expect((await stepsOf(store)).slice(-6)).toEqual([
    [19, 0, 9],
    [20, 1, 2],
    [21, 1, 2.1],
    [22, 1, 2.2],
    [23, 1, 2.3],
    [24, 1, 2.4],
  ]);
  expect(await store.pickSteps('r', ALL, 500)).toEqual(Array.from({ length: 25 }, (_, step) => step));
  expect((await store.run('r'))!.best).toEqual({ step: 20, loss: 2 });
  expect((await store.run('r'))!.batches).toBe(36);
  expect((await store.changes(0, 100)).changed.map(({ step }) => step.step)).not.toContain(30);
  const batches = (await Array.fromAsync(batchPages(store, 'r', ALL))).flat();
  expect(batches.map(({ step }) => step)).toEqual(Array.from({ length: 25 }, (_, k) => k));
});

test('batches of an attempt that come while its steps are dropped do not disturb the resumption', async () => {
  const store = await openStore();
  const steps = Array.from({ length: 2 * MOST_DROPPED }, (_, step) => step);
  await store.recordMany(steps.map((step) => ({ key: key(step), recording: recording(step) })));
  const resumed = store.record(key(4, 1), recording(1));
  const late = [6, 7, 700, 1900].map((step) => store.record(key(step, 0, 1), recording(1)));
  expect(await resumed).toBe('created');
  for (const outcome of await Promise.all(late)) expect(['created', 'superseded']).toContain(outcome);
  expect(await store.run('r')).toMatchObject({ steps: 5, last: { step: 4, loss: 1 } });
  // The superseded steps are as they were before the first drop.
  const superseded = await store.attemptSteps('r', { attempt: 0, from: 6, to: 7, maxPoints: 9, limit: 9 });
  expect(superseded?.points).toMatchObject([
    { step: 6, loss: 6 },
    { step: 7, loss: 7 },
  ]);
});

test('a batch of an attempt that a later one superseded is refused, at the step and behind it', async () => {
  const store = await openStore();
  for (const step of [10, 20, 30]) await store.record(key(step), recording(1));
  await store.record(key(20, 2), recording(2));
  const late: [BatchKey, Outcome][] = [
    [key(10), 'repeated'],
    [key(15), 'created'],
    [key(20, 1), 'superseded'],
    [key(20), 'superseded'],
    [key(25, 1), 'superseded'],
    [key(30), 'superseded'],
    [key(25, 2), 'created'],
  ];
  for (const [batch, outcome] of late) {
    expect(await store.record(batch, recording(1)), JSON.stringify(batch)).toBe(outcome);
  }
  expect(await store.attemptOf('r', 31)).toBe(2);
  expect(await store.attemptOf('r', 19)).toBe(0);
  expect(await store.attemptOf('r', 9)).toBeUndefined();
});

/** A store with a run `r` of many steps. The last two are not finite, and belong to the given attempt. */
async function withSteps(count: number, lastAttempt = 0): Promise<RunStore> {
  const history = await makeHistory();
  const rows = Array.from({ length: count }, (_, step) => {
    const isLast = step >= count - 2;
    return stepRow({ step, attempt: isLast ? lastAttempt : 0, loss: step, nonFinite: isLast });
  });
  await history.write(
    { table: 'runs', rows: [runRow({ steps: count, nonFinite: 2 })] },
    { table: 'attempts', rows: [attemptRow(0, 0), ...(lastAttempt === 0 ? [] : [attemptRow(lastAttempt, count - 2)])] },
    { table: 'steps', rows },
  );
  return history.open();
}

test('a trainer that resumes before many steps drops all of them', async () => {
  const count = 2 * MOST_DROPPED + 10;
  const store = await withSteps(count);
  const others = Array.from({ length: 5 }, (_, k) => store.record({ ...key(k), run: 'other' }, recording(2)));
  expect(await store.record(key(4, 1), recording(1))).toBe('created');
  expect(await Promise.all(others)).toEqual(others.map(() => 'created'));
  expect(await store.run('r')).toMatchObject({ steps: 5, nonFiniteSteps: 0, batches: 1, last: { step: 4, loss: 1 } });
});

test('steps of the same or a higher attempt behind the superseded ones stay', async () => {
  const store = await withSteps(MOST_DROPPED + 10, 2);
  expect(await store.record(key(4, 1), recording(1))).toBe('created');
  expect(await store.run('r')).toMatchObject({ steps: 7, nonFiniteSteps: 2, last: { step: MOST_DROPPED + 9 } });
});

test('ranks of a superseded step do not come back with the step', async () => {
  const store = await openStore();
  for (const rank of [0, 1, 2]) await store.record(key(30, 0, rank), recording(100 + rank));
  await store.record(key(20, 1), recording(1));
  await store.record(key(30, 1, 1), recording(4));
  expect((await store.steps('r', ALL, 10)).at(-1)).toMatchObject({
    ...{ step: 30, ranks: 1, rankLosses: { min: 4, max: 4 }, complete: false },
  });
  const page = await store.stepPage('r', { step: 30, rank: 0, microBatch: 0 }, 10);
  expect(page).toMatchObject({ batches: 1, missingRanks: [0, 2], ranks: [{ rank: 1, sum: { loss: 4 } }] });
});

test('in whatever order attempts come, what is left is what the rule says, and the counts are those of what is left', async () => {
  const batch = fc.record({ step: fc.nat({ max: 12 }), attempt: fc.nat({ max: 3 }), bad: fc.boolean() });
  const store = await openStore();
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { maxLength: 40 }), async (batches) => {
      const run = `r${runs++}`;
      let kept: { step: number; attempt: number; bad: boolean }[] = [];
      for (const one of batches) {
        const { step, attempt, bad } = one;
        const outcome = await store.record({ ...key(step, attempt), run }, recording(bad ? Number.NaN : step));
        const isLate = kept.some((other) => other.step <= step && other.attempt > attempt);
        expect(outcome === 'superseded').toBe(isLate);
        if (outcome !== 'created') continue;
        kept = [...kept.filter((other) => other.step < step || other.attempt >= attempt), one];
        kept = kept.filter((other) => other === one || other.step !== step);
      }
      kept.sort((a, b) => a.step - b.step);
      expect(await stepsOf(store, run)).toEqual(
        kept.map(({ step, attempt, bad }) => [step, attempt, bad ? Number.NaN : step]),
      );
      if (kept.length > 0) {
        expect(await store.run(run)).toMatchObject({
          ...{ steps: kept.length, nonFiniteSteps: kept.filter(({ bad }) => bad).length },
          last: { step: kept.at(-1)!.step },
        });
      }
    }),
    { numRuns: shareOf(200, 4) },
  );
});
