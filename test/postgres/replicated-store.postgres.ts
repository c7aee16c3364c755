/** Stores of several replicas on one database. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RunChanges } from '../../src/runs/changes.ts';
import { RunFollower } from '../../src/runs/follower.ts';
import type { BatchKey } from '../../src/runs/record.ts';
import { SqliteStore } from '../../src/runs/sqlite/store.ts';
import type { RunStore } from '../../src/runs/store.ts';
import { ALL, recording } from '../runs/recordings.ts';
import { makeDatabase, openReplica } from './databases.ts';
import { execute } from './server.ts';

const key = (step: number, rank = 0, microBatch = 0, attempt = 0): BatchKey => ({
  ...{ run: 'r', step, rank, microBatch, attempt },
});

const curveOf = async (store: RunStore): Promise<unknown[]> =>
  (await store.steps('r', ALL, 500)).map((point) => ({ ...point, sequence: 0 }));

test('replicas that start at the same time make one schema', async () => {
  const url = await makeDatabase();
  const stores = await Promise.all(Array.from({ length: 5 }, () => openReplica(url)));
  const outcomes = await Promise.all(stores.map((store, rank) => store.record(key(0, rank), recording(1))));
  expect(outcomes).toEqual(stores.map(() => 'created'));
  expect(await stores[0]!.run('r')).toMatchObject({ steps: 1, batches: 5, ranks: 5 });
});

test('recorders of one step on several replicas give the bits of one, whatever comes first', async () => {
  const batch = fc.record({
    step: fc.nat({ max: 4 }),
    rank: fc.nat({ max: 7 }),
    microBatch: fc.nat({ max: 3 }),
    numerator: fc.double({ min: -1e12, max: 1e12, noNaN: true }),
    replica: fc.nat({ max: 2 }),
  });
  const batches = fc.uniqueArray(batch, {
    selector: ({ step, rank, microBatch }) => `${step} ${rank} ${microBatch}`,
    minLength: 20,
    maxLength: 120,
  });
  const url = await makeDatabase();
  const replicas = await Promise.all(Array.from({ length: 3 }, () => openReplica(url, { now: () => 0 })));
  await fc.assert(
    fc.asyncProperty(batches, async (given) => {
      const alone = new SqliteStore(':memory:', () => 0);
      for (const { step, rank, microBatch, numerator } of given) {
        await alone.record(key(step, rank, microBatch), recording(numerator, 3));
      }
      // All batches are recorded concurrently. Every third is recorded twice, over two replicas.
      const outcomes = await Promise.all(
        given.flatMap(({ step, rank, microBatch, numerator, replica }, k) =>
          [replica, ...(k % 3 === 0 ? [(replica + 1) % 3] : [])].map((of) =>
            replicas[of]!.record(key(step, rank, microBatch), recording(numerator, 3)),
          ),
        ),
      );
      expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(given.length);
      expect(new Set(outcomes)).toEqual(new Set(['created', 'repeated']));
      expect(await curveOf(replicas[1]!)).toEqual(await curveOf(alone));
      expect(await replicas[2]!.run('r')).toEqual(await alone.run('r'));
      await alone.close();
      await replicas[0]!.remove('r');
    }),
    { numRuns: 15 },
  );
});

test('recorders that create a run at the same time on several replicas lose nothing', async () => {
  const url = await makeDatabase();
  const replicas = await Promise.all(Array.from({ length: 3 }, () => openReplica(url)));
  for (let round = 0; round < 80; round++) {
    const run = `r${round}`;
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, (_, rank) => replicas[rank % 3]!.record({ ...key(0, rank), run }, recording(rank))),
    );
    expect(outcomes).toEqual(outcomes.map(() => 'created'));
    const [step] = await replicas[0]!.steps(run, ALL, 10);
    expect(step).toMatchObject({ numerator: 66, denominator: 12, ranks: 12 });
    expect(await replicas[0]!.run(run)).toMatchObject({ batches: 12, steps: 1, ranks: 12 });
  }
});

test('trainers that resume on several replicas leave what the rule says', async () => {
  const url = await makeDatabase();
  const replicas = await Promise.all(Array.from({ length: 3 }, () => openReplica(url)));
  await Promise.all(
    Array.from({ length: 300 }, (_, k) =>
      replicas[k % 3]!.record(key((k * 37) % 50, 0, 0, (k * 11) % 4), recording(k)),
    ),
  );
  const steps = await replicas[0]!.steps('r', ALL, 500);
  const attempts = steps.map(({ attempt }) => attempt);
  expect(attempts).toEqual(attempts.toSorted((a, b) => a - b));
  expect(await replicas[1]!.run('r')).toMatchObject({ steps: steps.length });
});

test('numbers of changes ascend in the order in which they are seen: no reader misses one', async () => {
  const url = await makeDatabase();
  const replicas = await Promise.all(Array.from({ length: 3 }, () => openReplica(url)));
  const seen = new Map<string, number>();
  const reader = await openReplica(url);
  let isOver = false;
  const reading = (async () => {
    for (let position = 0; ;) {
      const last = isOver;
      const { changed, last: next } = await reader.changes(position, 100);
      for (const { run, step } of changed) seen.set(`${run} ${step.step}`, step.ranks);
      if (last && next === position) return;
      position = next;
    }
  })();
  await Promise.all(
    replicas.map(async (store, replica) => {
      for (let k = 0; k < 60; k++) {
        await Promise.all(
          ['a', 'b', 'c', 'd'].map((run) => store.record({ ...key(k % 20, 3 * k + replica), run }, recording(k))),
        );
      }
    }),
  );
  isOver = true;
  await reading;
  const missed: string[] = [];
  for (const run of ['a', 'b', 'c', 'd']) {
    for (const { step, ranks } of await reader.steps(run, ALL, 100)) {
      if (seen.get(`${run} ${step}`) !== ranks) missed.push(`${run} ${step}`);
    }
  }
  expect(missed).toEqual([]);
  expect(seen.size).toBe(80);
});

test('a replica hears of the changes of another, and of those while its connection was lost', async () => {
  const url = await makeDatabase();
  const heard: string[] = [];
  const listener = await openReplica(url, { onChange: (run) => heard.push(run) });
  const other = await openReplica(url);
  await expect
    .poll(() =>
      execute(url, "SELECT 1 FROM pg_stat_activity WHERE query = 'LISTEN lossmeter' OR query LIKE '%max(sequence)%'"),
    )
    .not.toHaveLength(0);
  await other.record({ ...key(0), run: 'recorded' }, recording(1));
  await expect.poll(() => heard).toContain('recorded');
  await other.describe('described', {});
  await other.remove('recorded');
  await expect
    .poll(() => heard.slice(heard.indexOf('recorded') + 1))
    .toEqual(expect.arrayContaining(['described', 'recorded']));
  // All connections are lost. The change is made before the listener has reconnected.
  await execute(
    url,
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()',
  );
  // A connection that is being ended fails: repeat the recording, as a client does.
  const recordAgain = () => other.record({ ...key(0), run: 'while lost' }, recording(1)).catch(String);
  await expect.poll(recordAgain).toBeOneOf(['created', 'repeated']);
  await expect.poll(() => heard, { timeout: 15_000 }).toContain('while lost');
  expect(await listener.run('while lost')).toMatchObject({ steps: 1 });
});

test('a replica hears of many runs with the longest names', async () => {
  const url = await makeDatabase();
  const heard = new Set<string>();
  const listener = await openReplica(url, { onChange: (run) => heard.add(run) });
  const other = await openReplica(url);
  await expect
    .poll(() => execute(url, "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%max(sequence)%'"))
    .not.toHaveLength(0);
  const names = Array.from({ length: 200 }, (_, k) => String(k).padStart(4, '"\\') + '😀'.repeat(252));
  await Promise.all(names.map((run) => other.describe(run, {})));
  // Only notifications announce runs without steps.
  await expect.poll(() => heard.size, { timeout: 10_000 }).toBe(200);
  expect([...heard].toSorted()).toEqual(names.toSorted());
  expect(await listener.run(names[7]!)).toMatchObject({ run: names[7] });
});

test('one replica tells of changes, and another goes on when that one has ended', { timeout: 60_000 }, async () => {
  const url = await makeDatabase();
  const told: string[] = [];
  const start = async (name: string) => {
    const changes = new RunChanges();
    const store = await openReplica(url, { onChange: (run) => changes.notify(run) });
    const onFailure = (error: unknown): void => void told.push(`${name}: ${String(error)}`);
    const position = store.position('webhook');
    const follower = new RunFollower(
      store,
      changes,
      ({ point }) => told.push(`${name} ${point.step}`),
      onFailure,
      position,
    );
    await follower.start();
    const record = async (step: number): Promise<void> => {
      await store.record(key(step), recording(step));
      changes.notify('r');
    };
    return { store, follower, record };
  };
  const first = await start('first');
  // The lock is taken when the connection is open.
  await expect.poll(() => first.store.position('webhook').take()).toBe(0);
  const second = await start('second');
  await second.record(0);
  await first.record(1);
  await expect.poll(() => told).toEqual(expect.arrayContaining(['first 0', 'first 1']));
  await first.follower.close();
  await first.store.close();
  await second.record(2);
  await expect.poll(() => told, { timeout: 20_000 }).toContain('second 2');
  await second.record(3);
  await expect.poll(() => told).toContain('second 3');
  expect(told.toSorted()).toEqual(['first 0', 'first 1', 'second 2', 'second 3']);
  await second.follower.close();
});
