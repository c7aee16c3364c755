import { readFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeRequest, JSON_TYPE, MSGPACK } from '../service.ts';
import { ServiceProcess } from './process.ts';

const LIMIT = 2 ** 28;

let service: ServiceProcess;
let idle: number;
beforeAll(async () => {
  service = await ServiceProcess.start({ LOSSMETER_WORKERS: '1', LOSSMETER_MAX_BYTES_IN_FLIGHT: String(LIMIT) });
  idle = memory('VmRSS');
}, 30_000);
afterAll(() => service.end());

function memory(name: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${service.child.pid}/status`, 'utf8');
  return 1024 * Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)![1]);
}

const BYTES = 2 ** 24 - 1000;
const BODIES: [name: string, type: string, body: Uint8Array][] = [
  ['JSON', JSON_TYPE, Buffer.from(`{"logits":[[1,2]],"label":[0]${' '.repeat(BYTES)}}`)],
  [
    'a mask',
    MSGPACK,
    encodeRequest(
      {
        input_mask: { dtype: 'uint8', shape: [BYTES], data: new Uint8Array(BYTES) },
        label: { dtype: 'uint8', shape: [1], data: new Uint8Array(1) },
        logits: { dtype: 'float32', shape: [1, 2], data: new Uint8Array(8) },
      },
      MSGPACK,
    ) as Uint8Array,
  ],
];

test.each(BODIES)(
  'many small bodies at once that become 16 MB of %s each stay within the bytes in flight',
  { timeout: 120_000 },
  async (_name, type, body) => {
    const deflated = deflateSync(body);
    expect(deflated.byteLength).toBeLessThan(20_000);
    const statuses = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const response = await fetch(`${service.url}/v1/cross-entropy`, {
          method: 'POST',
          headers: { 'content-type': type, 'content-encoding': 'deflate' },
          body: deflated as NonNullable<RequestInit['body']>,
        });
        await response.arrayBuffer();
        return response.status;
      }),
    );
    // Requests may be refused for load or for the shape of the mask, but not as too slow.
    expect(new Set(statuses)).not.toContain(408);
    expect(statuses.filter((status) => status === 200 || status === 422).length).toBeGreaterThan(0);
    expect(memory('VmHWM') - idle).toBeLessThan(LIMIT + 150e6);
  },
);
