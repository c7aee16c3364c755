/**
 * Run with --expose-gc: prints the bytes of a small request that outlive two minor collections after it was answered. Such
 * bytes stay until the whole heap is collected, which then happens often.
 */
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { buildApp } from '../../src/app.ts';
import { testConfig } from '../service.ts';
import { WRITERS } from '../request-bodies.ts';

const WARM_UP = 3000;
const ROUNDS = 6;
const REQUESTS_OF_ROUND = 200;
const AT_A_TIME = 4;

const app = await buildApp({ config: testConfig() });
await app.listen({ host: '127.0.0.1', port: 0 });
const { port } = app.server.address() as AddressInfo;
const agent = new Agent({ keepAlive: true, maxSockets: AT_A_TIME });
const { headers, body } = WRITERS.msgpack({
  label: { dtype: 'int32', shape: [8], data: new Uint8Array(32) },
  logits: { dtype: 'float32', shape: [8, 1000], data: new Uint8Array(32_000) },
});

async function send(): Promise<void> {
  const sent = request({ port, agent, method: 'POST', path: '/v1/cross-entropy', headers }).end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  await buffer(response);
}

async function sendMany(count: number): Promise<void> {
  for (let k = 0; k < count; k += AT_A_TIME) await Promise.all(Array.from({ length: AT_A_TIME }, send));
}

function collectYoung(): number {
  for (let k = 0; k < 2; k++) globalThis.gc!({ type: 'minor' });
  return process.memoryUsage().heapUsed;
}

await sendMany(WARM_UP);
globalThis.gc!();
const before = collectYoung();
for (let round = 0; round < ROUNDS; round++) {
  const underWay = sendMany(AT_A_TIME);
  // Objects of requests in flight are promoted to the old generation.
  await new Promise((resolve) => setImmediate(resolve));
  collectYoung();
  await underWay;
  await sendMany(REQUESTS_OF_ROUND);
}
console.info((collectYoung() - before) / (ROUNDS * (REQUESTS_OF_ROUND + AT_A_TIME)));
process.exit(0);
