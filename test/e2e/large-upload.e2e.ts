/** A tensor far larger than the memory limit of the service. The test takes some seconds. */
import { existsSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lse } from '../reference.ts';
import { seededRandom } from '../rows.ts';
import { ServiceProcess } from './process.ts';

const CLASSES = 32_768;
const ROWS = 32_768;
/** Number of rows in the block of 2 MiB that is sent repeatedly. */
const BLOCK_ROWS = 16;
const MAX_OVER_IDLE_MB = 300;

const random = seededRandom(4);
const block = Float32Array.from({ length: BLOCK_ROWS * CLASSES }, () => 6 * random() - 3);

let service: ServiceProcess;
beforeAll(async () => {
  service = await ServiceProcess.start();
});
afterAll(() => service.end());

function residentMegabytes(): number {
  const status = readFileSync(`/proc/${service.child.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) / 1000;
}

/** Chunks of a safetensors file of 4 GiB, label first. */
function* file(): Generator<Buffer> {
  const logitsBytes = 4 * ROWS * CLASSES;
  const header = JSON.stringify({
    label: { dtype: 'I32', shape: [ROWS], data_offsets: [0, 4 * ROWS] },
    logits: { dtype: 'F32', shape: [ROWS, CLASSES], data_offsets: [4 * ROWS, 4 * ROWS + logitsBytes] },
  });
  const head = Buffer.alloc(8 + header.length + 4 * ROWS);
  head.writeBigUInt64LE(BigInt(header.length));
  head.write(header, 8);
  yield head;
  const bytes = Buffer.from(block.buffer);
  for (let sent = 0; sent < logitsBytes; sent += bytes.byteLength) yield bytes;
}

test.skipIf(!existsSync('/proc/self/status'))(
  'a tensor of 4 GiB streams through in less than 300 MB over what an idle service takes',
  { timeout: 120_000 },
  async () => {
    const idle = residentMegabytes();
    const curve: number[] = [];
    const sampler = setInterval(() => curve.push(residentMegabytes()), 100);
    const upload = request(`${service.url}/v1/cross-entropy`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.safetensors' },
    });
    const answered = once(upload, 'response') as Promise<[IncomingMessage]>;
    for (const chunk of file()) if (!upload.write(chunk)) await once(upload, 'drain');
    upload.end();
    const [response] = await answered;
    const body = (await json(response)) as { mean_nll: number; rows: { counted: number } };
    clearInterval(sampler);

    const step = Math.ceil(curve.length / 24);
    const shown = curve.filter((_, k) => k % step === 0).map((megabytes) => megabytes.toFixed(0));
    console.info(`resident MB: idle ${idle.toFixed(0)}, then ${shown.join(' ')}`);
    expect(response.statusCode).toBe(200);
    expect(body.rows.counted).toBe(ROWS);
    const rows = Array.from({ length: BLOCK_ROWS }, (_, row) => block.subarray(row * CLASSES, (row + 1) * CLASSES));
    const expected = rows.reduce((sum, row) => sum + lse(row) - row[0]!, 0) / BLOCK_ROWS;
    expect(body.mean_nll).toBeCloseTo(expected, 6);
    expect(Math.max(...curve) - idle).toBeLessThan(MAX_OVER_IDLE_MB);
    // The memory is flat: the second half takes no more than the first.
    const half = curve.length >> 1;
    const [before, after] = [Math.max(...curve.slice(0, half)), Math.max(...curve.slice(half))];
    expect(after - before).toBeLessThan(50);
  },
);
