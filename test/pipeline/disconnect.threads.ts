import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { Packr } from 'msgpackr';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { loadConfig } from '../../src/environment.ts';
import { TIMED } from '../timed.ts';

const ROWS = 4096;
const CLASSES = 1024;

let app: FastifyInstance;
let dispatched = 0;
beforeAll(async () => {
  app = await buildApp({
    config: { ...loadConfig({ LOSSMETER_STORE: ':memory:' }), port: 0, workers: 1, slabBytes: 2 ** 18 },
  });
  const run = app.pool.run.bind(app.pool);
  app.pool.run = (...task) => {
    dispatched++;
    return run(...task);
  };
  await app.listen({ host: '127.0.0.1', port: 0 });
  // Discards the first task, which checked that a worker is ready.
  dispatched = 0;
});
afterAll(() => app.close());

/** A request of 16 MiB, cut off after some bytes. */
function cutRequest(bytes: number): Buffer {
  const packr = new Packr({ useRecords: false, variableMapSize: true });
  const label = { dtype: 'int32', shape: [ROWS], data: new Uint8Array(4 * ROWS) };
  const data = Buffer.alloc(4 * ROWS * CLASSES);
  const body = packr.pack({ label, logits: { dtype: 'float32', shape: [ROWS, CLASSES], data } });
  const head = `POST /v1/cross-entropy HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/msgpack\r\ncontent-length: ${body.byteLength}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body.subarray(0, bytes)]);
}

async function until(isSo: () => boolean): Promise<void> {
  for (let k = 0; k < 500 && !isSo(); k++) await sleep(10);
  expect(isSo()).toBe(true);
}

test('a client that leaves gets no more slabs dispatched, and its memory comes back', async () => {
  const { port } = app.server.address() as AddressInfo;
  const half = 2 ** 23;
  const socket = connect(port, '127.0.0.1');
  socket.write(cutRequest(half));
  const slabsOfHalf = Math.floor(half / 2 ** 18) - 1;
  await until(() => dispatched >= slabsOfHalf);
  expect(app.pool.slabs.bytesInUse, 'the slab that fills').toBeGreaterThan(0);
  socket.destroy();
  await until(() => app.pool.slabs.bytesInUse === 0 && app.evaluator.heldBytes === 0);
  const atEnd = dispatched;
  await sleep(100);
  expect(dispatched).toBe(atEnd);
  expect(dispatched).toBeLessThanOrEqual(slabsOfHalf + 1);
});

test('who stalls with a slab that another waits for is cut off after a second', TIMED, async () => {
  const { port } = app.server.address() as AddressInfo;
  dispatched = 0;
  const socket = connect(port, '127.0.0.1');
  socket.write(cutRequest(2 ** 20));
  // Three full slabs are dispatched. The sender stalls while the fourth fills.
  await until(() => dispatched === 3);
  await sleep(100);
  await until(() => app.pool.slabs.bytesInUse === 2 ** 18);
  const started = performance.now();
  // More than the limit, which is granted only when no other slab is in use.
  const slab = await app.pool.slabs.acquire(2 ** 30);
  // Otherwise the sender would have ten seconds.
  const waited = performance.now() - started;
  expect(waited).toBeLessThan(5000);
  expect(waited, 'the sender held a slab').toBeGreaterThan(1000);
  app.pool.slabs.release(slab);
  expect((await once(socket, 'data')).toString()).toMatch(/^HTTP\/1\.1 408 /);
  socket.destroy();
});

test('while the slabs of others are in use, a sender is held back, and leaving then leaves nothing behind', async () => {
  const { port } = app.server.address() as AddressInfo;
  dispatched = 0;
  // No slab is granted while this one exceeds the limit.
  const all = await app.pool.slabs.acquire(2 ** 30);
  const socket = connect(port, '127.0.0.1');
  const drained = Promise.race([once(socket, 'drain').then(() => true), sleep(300).then(() => false)]);
  expect(socket.write(cutRequest(2 ** 24))).toBe(false);
  expect(await drained, '16 MiB went through without a slab to put them into').toBe(false);
  socket.destroy();
  await sleep(50);
  app.pool.slabs.release(all);
  await until(() => app.pool.slabs.bytesInUse === 0 && app.evaluator.heldBytes === 0);
  // Only bytes that the operating system had already received can still be read.
  expect(dispatched).toBeLessThan((4 * ROWS * CLASSES) / 2 ** 18);
});
