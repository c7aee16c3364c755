import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { loadConfig } from '../../src/environment.ts';
import { encodeRequest, MSGPACK } from '../service.ts';

const WORKERS = 2;
const [ROWS, CLASSES] = [1000, 500];

let app: FastifyInstance;
let url: string;
beforeAll(async () => {
  app = await buildApp({
    config: { ...loadConfig({ LOSSMETER_STORE: ':memory:' }), port: 0, workers: WORKERS, slabBytes: 2 ** 18 },
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/v1/cross-entropy`;
});
afterAll(() => app.close());

const logits = Float32Array.from({ length: ROWS * CLASSES }, (_, k) => Math.sin(k * k));
const label = Uint16Array.from({ length: ROWS }, (_, row) => (row * 7) % CLASSES);
const body = encodeRequest(
  {
    label: { dtype: 'uint16', shape: [ROWS], data: new Uint8Array(label.buffer) },
    logits: { dtype: 'float32', shape: [ROWS, CLASSES], data: new Uint8Array(logits.buffer) },
  },
  MSGPACK,
) as Buffer;

interface Reply {
  status: number;
  retryAfter: string | null;
  body: { loss: number; code: string };
}

async function post(): Promise<Reply> {
  const reply = await fetch(url, { method: 'POST', headers: { 'content-type': MSGPACK }, body: new Uint8Array(body) });
  return {
    status: reply.status,
    retryAfter: reply.headers.get('retry-after'),
    body: (await reply.json()) as Reply['body'],
  };
}

/** Ends a worker by its thread id. */
async function kill(threadId: number): Promise<void> {
  const worker = app.pool.threads.find((thread) => thread.threadId === threadId)!;
  await worker.terminate();
}

async function until(isSo: () => boolean): Promise<void> {
  for (let k = 0; k < 500 && !isSo(); k++) await sleep(10);
  expect(isSo()).toBe(true);
}

test('workers that die under load are replaced; every 200 is right, and every other answer can be repeated', async () => {
  const { loss } = (await post()).body;
  const replies: Reply[] = [];
  const over = new AbortController();
  const load = Array.from({ length: 4 }, async () => {
    while (!over.signal.aborted) replies.push(await post());
  });
  for (let kills = 0; kills < 30; kills++) {
    await sleep(50);
    const threads = app.pool.threads;
    const victim = threads[kills % Math.max(1, threads.length)];
    // A thread id of -1 means that the worker has ended.
    if (victim !== undefined && victim.threadId > 0) await kill(victim.threadId);
  }
  over.abort();
  await Promise.all(load);
  const [good, others] = [
    replies.filter(({ status }) => status === 200),
    replies.filter(({ status }) => status !== 200),
  ];
  expect(good.length).toBeGreaterThan(0);
  expect(others.length, 'no request lost its worker: the test shows nothing').toBeGreaterThan(0);
  expect(new Set(good.map((reply) => reply.body.loss))).toEqual(new Set([loss]));
  for (const { status, retryAfter, body } of others) {
    expect([status, retryAfter, body.code]).toEqual([503, '1', 'worker_lost']);
  }
  await until(() => app.pool.threads.length === WORKERS);
  for (let k = 0; k < 20; k++) expect(await post()).toMatchObject({ status: 200, body: { loss } });
  expect(app.pool.slabs.bytesInUse).toBe(0);
  expect(app.evaluator.heldBytes).toBe(0);
  expect(app.evaluator.admission.inFlight).toBe(0);
}, 60_000);

test('a worker that dies with nothing to do is counted once, and replaced', async () => {
  const before = app.pool.lost;
  await kill(app.pool.threads[0]!.threadId);
  await until(() => app.pool.threads.length === WORKERS && app.pool.lost > before);
  expect(app.pool.lost).toBe(before + 1);
  expect((await post()).status).toBe(200);
});

test('workers that die while they start are replaced too', async () => {
  for (let k = 0; k < 6; k++) {
    const [thread] = app.pool.threads;
    // The pool starts a replacement at once, which is killed before it is ready.
    if (thread !== undefined) await thread.terminate();
  }
  await until(() => app.pool.threads.length === WORKERS);
  await once(app.pool.threads[0]!, 'online').catch(() => undefined);
  expect((await post()).status).toBe(200);
});
