import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { loadConfig } from '../../src/environment.ts';
import type { SlabTask } from '../../src/engine/worker.ts';
import { MSGPACK, Service, encodeRequest } from '../service.ts';

const CLASSES = 2 ** 17;

const request = (options: object): object => ({
  options,
  label: { dtype: 'int32', shape: [1], data: new Uint8Array(4) },
  weight: { dtype: 'int8', shape: [CLASSES], data: new Uint8Array(CLASSES).fill(1) },
  logits: { dtype: 'float16', shape: [1, CLASSES], data: new Uint8Array(2 * CLASSES) },
});

/** Service that may hold 3/4 MiB of memory: less than the weights take as float64. */
const frugal = Service.start({ maxBytesInFlight: 2 ** 20 });

test.each(['/v1/cross-entropy', '/v1/diagnose'])(
  'class weights are accounted for before they are read: %s',
  async (path) => {
    const { status, body } = await frugal.post(request({}), { type: MSGPACK, path });
    expect(status).toBe(413);
    expect(body.detail).toContain(`the weights of ${CLASSES} classes, 8 bytes each,`);
  },
);

let app: FastifyInstance;
const tasks: SlabTask[] = [];
beforeAll(async () => {
  app = await buildApp({ config: { ...loadConfig({ LOSSMETER_STORE: ':memory:' }), port: 0, workers: 1 } });
  const run = app.pool.run.bind(app.pool);
  app.pool.run = (task, isAbandoned) => {
    tasks.push(task);
    return run(task, isAbandoned);
  };
  await app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(() => app.close());

test('class weights are shared with the workers, not copied with each block', async () => {
  const { port } = app.server.address() as AddressInfo;
  const { status } = await fetch(`http://127.0.0.1:${port}/v1/cross-entropy`, {
    method: 'POST',
    headers: { 'content-type': MSGPACK },
    body: Buffer.from(encodeRequest(request({ label_smoothing: 0.1 }), MSGPACK) as Uint8Array),
  });
  expect(status).toBe(200);
  const weights = tasks.map(({ block }) => block.plan.classWeights).filter((posted) => posted !== undefined);
  expect(weights).toHaveLength(1);
  expect(weights[0]!.buffer).toBeInstanceOf(SharedArrayBuffer);
});
