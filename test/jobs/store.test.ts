/** Job stores: on PostgreSQL when the suite has a server, else on SQLite. */
import { expect, inject, onTestFinished, test } from 'vitest';
import type { JobDatabase } from '../../src/jobs/database.ts';
import { COMBINATION } from '../../src/jobs/job.ts';
import type { TaskKey } from '../../src/jobs/job.ts';
import { SqlJobStore } from '../../src/jobs/sql/store.ts';
import { SqliteJobDatabase } from '../../src/jobs/sqlite/database.ts';
import { PostgresDatabase } from '../../src/runs/postgres/database.ts';
import { execute } from '../postgres/server.ts';

const LIMITS = { maxJobs: 100, maxJobTasks: 5000 };

let databases = 0;

async function openDatabase(): Promise<{ database: JobDatabase; remove: () => Promise<unknown> }> {
  const server = inject('postgres');
  if (server === undefined) return { database: new SqliteJobDatabase(':memory:'), remove: async () => undefined };
  const name = `job_store_${process.pid}_${databases++}`;
  await execute(`${server}postgres`, `CREATE DATABASE ${name}`);
  const database = new PostgresDatabase({ url: `${server}${name}`, connections: 4 });
  return { database, remove: () => execute(`${server}postgres`, `DROP DATABASE ${name} WITH (FORCE)`) };
}

/** Opens a store. @returns the store, the tasks that it queues, and the jobs whose tasks it drops */
async function openStore() {
  const { database, remove } = await openDatabase();
  const queued: TaskKey[] = [];
  const dropped: number[] = [];
  const store = new SqlJobStore(database, {
    enqueue: async (_, tasks) => void queued.push(...tasks),
    dequeue: async (_, job) => void dropped.push(job),
    now: () => 1000,
  });
  onTestFinished(async () => {
    await store.close();
    await remove();
  });
  return { store, queued, dropped };
}

const order = (files: number) => ({
  ...({ kind: 'cross_entropy', kernel: 'strict', options: { shift: true }, tensors: { label: 'y' } } as const),
  files: Array.from({ length: files }, (_, k) => ({ file: `${k}.safetensors`, bytes: k })),
});

const result = (k: number) => ({ answer: `{"file":"${k}"}`, partial: Uint8Array.of(k, 255, 0) });

test('keeps every field of a job and of its tasks', async () => {
  const { store, queued } = await openStore();
  const referenceRows = { first: 2 ** 40, count: 7 };
  const files = [{ file: 'ä.safetensors', bytes: 2 ** 40, reference: 'base.kld', referenceRows }];
  const { id } = await store.create({ ...order(0), kind: 'kl_divergence', files }, LIMITS);
  expect(queued).toEqual([{ job: id, place: 0 }]);
  expect(await store.job(id)).toEqual({
    ...{
      id,
      kind: 'kl_divergence',
      state: 'queued',
      kernel: 'strict',
      options: { shift: true },
      tensors: { label: 'y' },
    },
    ...{ files: 1, done: 0, failed: 0, bytes: 2 ** 40, doneBytes: 0, createdAt: 1000, revision: 0 },
    ...{ startedAt: undefined, finishedAt: undefined, error: undefined },
  });
  expect(await store.begin({ job: id, place: 0 })).toEqual({
    ...{ job: id, place: 0, kernel: 'strict', ...files[0] },
    order: { kind: 'kl_divergence', options: { shift: true }, tensors: { label: 'y' } },
  });
  expect(await store.job(id)).toMatchObject({ state: 'running', startedAt: 1000, revision: 1 });
});

test('counts each result once, whatever their order, and then queues the combination', async () => {
  const { store, queued } = await openStore();
  const { id: job } = await store.create(order(3), LIMITS);
  queued.length = 0;
  for (const place of [2, 0, 2, 0, 1, 1]) {
    await store.begin({ job, place });
    await store.finish({ job, place }, result(place));
    await store.fail({ job, place }, { code: 'internal', detail: 'late' });
  }
  expect(queued).toEqual([{ job, place: COMBINATION }]);
  expect(await store.next()).toEqual({ job, place: COMBINATION });
  expect(await store.combinable(job)).toMatchObject({ done: 3, failed: 0, doneBytes: 3 });
  const { partials, next } = await store.partials(job, 0);
  expect([partials.map((bytes) => [...bytes]), next]).toEqual([
    [
      [0, 255, 0],
      [1, 255, 0],
      [2, 255, 0],
    ],
    undefined,
  ]);
  await store.complete(job, '{"loss":1}');
  await store.complete(job, '{"loss":2}');
  expect(await store.total(job)).toBe('{"loss":1}');
  expect((await store.partials(job, 0)).partials).toEqual([]);
  expect((await store.answers(job, 1)).answers).toEqual(['{"file":"1"}', '{"file":"2"}']);
  expect(await store.next()).toBeUndefined();
});

test('divides answers into pages', async () => {
  const { store } = await openStore();
  const { id: job } = await store.create(order(700), LIMITS);
  for (let place = 0; place < 700; place++) {
    const answer = place === 3 ? `"${'x'.repeat(300_000)}"` : `"${place}"`;
    await store.finish({ job, place }, { answer, partial: Uint8Array.of() });
  }
  const all: string[] = [];
  let pages = 0;
  for (let from: number | undefined = 0; from !== undefined; pages++) {
    const page: Awaited<ReturnType<typeof store.answers>> = await store.answers(job, from);
    all.push(...page.answers);
    from = page.next;
  }
  expect(all.map((answer) => answer.length)).toEqual(
    Array.from({ length: 700 }, (_, place) => (place === 3 ? 300_002 : `"${place}"`.length)),
  );
  expect(pages).toBeGreaterThan(3);
});

test('ends a job with the last of its files as failed, and queues those again that failed', async () => {
  const { store, queued } = await openStore();
  const { id: job } = await store.create(order(3), LIMITS);
  const error = { code: 'invalid_file', detail: 'cut off' };
  await store.fail({ job, place: 1 }, error);
  await store.finish({ job, place: 0 }, result(0));
  expect(await store.job(job)).toMatchObject({ state: 'running', done: 1, failed: 1 });
  await store.finish({ job, place: 2 }, result(2));
  expect(await store.job(job)).toMatchObject({ state: 'failed', done: 2, failed: 1, finishedAt: 1000 });
  expect(await store.failures(job, 5)).toEqual([{ file: '1.safetensors', ...error }]);
  expect(await store.begin({ job, place: 1 })).toBeUndefined();
  queued.length = 0;
  expect(await store.retry(job, LIMITS)).toMatchObject({ changed: true, job: { state: 'queued', done: 2, failed: 0 } });
  expect(queued).toEqual([{ job, place: 1 }]);
  expect(await store.retry(job, LIMITS)).toMatchObject({ changed: false });
  await store.finish({ job, place: 1 }, result(1));
  await store.fail({ job, place: COMBINATION }, error);
  expect(await store.job(job)).toMatchObject({ state: 'failed', error });
  await store.retry(job, LIMITS);
  expect(queued.at(-1)).toEqual({ job, place: COMBINATION });
  expect(await store.combinable(job)).toMatchObject({ state: 'running', error: undefined });
});

test('takes no result for a job that was cancelled, and does all of it after a retry', async () => {
  const { store, queued, dropped } = await openStore();
  const { id: job } = await store.create(order(2), LIMITS);
  await store.finish({ job, place: 0 }, result(0));
  await store.begin({ job, place: 1 });
  expect(await store.cancel(job)).toMatchObject({ changed: true, job: { state: 'cancelled', done: 0, doneBytes: 0 } });
  expect(dropped).toEqual([job]);
  await store.finish({ job, place: 1 }, result(1));
  expect(await store.job(job)).toMatchObject({ state: 'cancelled', done: 0 });
  expect((await store.answers(job, 0)).answers).toEqual([]);
  expect(await store.next()).toBeUndefined();
  queued.length = 0;
  await store.retry(job, LIMITS);
  expect(queued.map(({ place }) => place)).toEqual([0, 1]);
  expect(await store.next()).toEqual({ job, place: 0 });
});

test('removes a job with its tasks, and never uses its number again', async () => {
  const { store, dropped } = await openStore();
  const { id: job } = await store.create(order(2), LIMITS);
  expect(await store.remove(job)).toBe(true);
  expect(await store.remove(job)).toBe(false);
  expect(dropped).toEqual([job]);
  await store.finish({ job, place: 0 }, result(0));
  expect(await store.job(job)).toBeUndefined();
  expect((await store.create(order(1), LIMITS)).id).toBeGreaterThan(job);
});

test('bounds the files that wait and the jobs that are kept', async () => {
  const { store } = await openStore();
  const limits = { maxJobs: 2, maxJobTasks: 5 };
  const first = await store.create(order(3), limits);
  await expect(store.create(order(3), limits)).rejects.toMatchObject({ code: 'overloaded' });
  const second = await store.create(order(2), limits);
  await store.cancel(second.id);
  await store.create(order(1), limits);
  expect(await store.job(second.id)).toBeUndefined();
  await expect(store.create(order(1), limits)).rejects.toMatchObject({ code: 'overloaded' });
  await store.cancel(first.id);
  await expect(store.retry(first.id, { ...limits, maxJobTasks: 3 })).rejects.toMatchObject({ code: 'overloaded' });
  expect((await store.job(first.id))?.state).toBe('cancelled');
  expect(await store.counts()).toEqual({
    byState: { queued: 1, running: 0, succeeded: 0, failed: 0, cancelled: 1 },
    tasks: 1,
  });
});

test('lists jobs by state, from the newest on', async () => {
  const { store } = await openStore();
  const ids: number[] = [];
  for (let k = 0; k < 5; k++) ids.push((await store.create(order(1), LIMITS)).id);
  await store.cancel(ids[2]!);
  const first = await store.jobs('queued', 2, undefined);
  expect([first.jobs.map(({ id }) => id), first.next]).toEqual([[ids[4], ids[3]], ids[3]]);
  const second = await store.jobs('queued', 2, first.next);
  expect([second.jobs.map(({ id }) => id), second.next]).toEqual([[ids[1], ids[0]], undefined]);
  expect((await store.jobs(undefined, 10, undefined)).jobs.map(({ id }) => id)).toEqual(ids.toReversed());
});
