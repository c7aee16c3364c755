import type { AddressInfo } from 'node:net';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FastifyInstance } from 'fastify';
import { buildApp } from '../../../src/app.ts';
import { loadConfig } from '../../../src/environment.ts';
import { encodeRequest, JSON_TYPE, MSGPACK } from '../../service.ts';
import { TIMED } from '../../timed.ts';

/** Limit of the processor time of a turn. A turn takes about 5 ms; the rest is for garbage collections and copies. */
const LONGEST_TURN_MS = 30;

const ROWS = 3_000_000;

let app: FastifyInstance;
let url: string;
beforeAll(async () => {
  app = await buildApp({ config: { ...loadConfig({ LOSSMETER_STORE: ':memory:' }), port: 0, workers: 1 } });
  await app.listen({ host: '127.0.0.1', port: 0 });
  url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
});
afterAll(() => app.close());

/** Client on a separate thread, so that all turns of this thread belong to the service. */
const CLIENT = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { url, headers, body } = workerData;
  fetch(url, { method: 'POST', headers, body }).then(async (response) => {
    let bytes = 0;
    for await (const chunk of response.body) bytes += chunk.length;
    parentPort.postMessage({ status: response.status, bytes });
  });
`;

interface Posted {
  status: number;
  bytes: number;
  longestTurn: number;
}

/** Longest processor time between two samples. Each turn of the event loop takes a sample. */
class LongestTurn {
  milliseconds = 0;
  #before = process.threadCpuUsage();
  #next = setImmediate(() => this.#look());

  #look(): void {
    const now = process.threadCpuUsage();
    const used = now.user + now.system - this.#before.user - this.#before.system;
    this.milliseconds = Math.max(this.milliseconds, used / 1000);
    this.#before = now;
    this.#next = setImmediate(() => this.#look());
  }

  stop(): number {
    clearImmediate(this.#next);
    return this.milliseconds;
  }
}

async function post(path: string, body: Uint8Array, type: string, accept: string): Promise<Posted> {
  const headers = { 'content-type': type, accept };
  const client = new Worker(CLIENT, { eval: true, workerData: { url: url + path, headers, body } });
  await new Promise((resolve) => client.once('online', resolve));
  const turn = new LongestTurn();
  const answer = await new Promise<Omit<Posted, 'longestTurn'>>((resolve, reject) => {
    client.once('message', resolve);
    client.once('error', reject);
  });
  return { ...answer, longestTurn: turn.stop() };
}

const label = { dtype: 'int64', shape: [ROWS], data: new Uint8Array(8 * ROWS) };
const mask = {
  dtype: 'float32',
  shape: [ROWS],
  data: new Uint8Array(Float32Array.from({ length: ROWS }, () => 1).buffer),
};
const logits = { dtype: 'float16', shape: [ROWS, 2], data: new Uint8Array(4 * ROWS) };

test.each([
  ['their loss alone', {}, JSON_TYPE],
  ['outputs as bytes', { outputs: ['per_token_loss', 'lse'], shift: 1 }, MSGPACK],
  ['outputs as JSON', { outputs: ['per_token_loss'] }, JSON_TYPE],
])(
  'millions of rows with %s leave the thread to others',
  { timeout: 120_000, ...TIMED },
  async (_what, options, accept) => {
    const body = encodeRequest({ label, input_mask: mask, options, logits }, MSGPACK) as Uint8Array;
    const { status, longestTurn, bytes } = await post('/v1/cross-entropy', body, MSGPACK, accept);
    expect(status).toBe(200);
    expect(bytes).toBeGreaterThan(100);
    expect(longestTurn).toBeLessThan(LONGEST_TURN_MS);
  },
);
