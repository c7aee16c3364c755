import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ServiceProcess } from './process.ts';

let service: ServiceProcess;
beforeAll(async () => {
  service = await ServiceProcess.start({ LOSSMETER_WORKERS: '1', LOSSMETER_MAX_DECOMPRESSION_RATIO: '1000' });
}, 30_000);
afterAll(() => service.end());

interface Reply {
  status: number;
  body: { code?: string; detail?: string; diagnostics?: { logits: { nan: number } } };
}

async function post(text: string): Promise<Reply> {
  const response = await fetch(`${service.url}/v1/cross-entropy`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    body: gzipSync(text, { level: 1 }),
  });
  return { status: response.status, body: (await response.json()) as Reply['body'] };
}

/** Peak of the resident memory of the service, in bytes. */
function peakMemory(): number {
  const status = readFileSync(`/proc/${service.child.pid}/status`, 'utf8');
  return 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)![1]);
}

test('millions of bare tokens are read as numbers, in the memory of numbers', { timeout: 60_000 }, async () => {
  const count = 13_000_000;
  const { status, body } = await post(`{"logits":[[${'NaN,'.repeat(count)}1]],"label":[0]}`);
  expect([status, body.diagnostics?.logits.nan]).toEqual([200, count]);
  // 52 MB of text, 104 MB of numbers, 52 MB of float32, a slab and the kernel's copy of it, and an idle service.
  expect(peakMemory()).toBeLessThan(800e6);
});

test.each([
  ['ten million escaped quotes', `{"options":"${'\\"'.repeat(10_000_000)}"}`, 422, 'missing_field'],
  ['millions of keys', `{"options":{${keys(4_000_000)}}}`, 400, 'malformed_body'],
  ['a hundred thousand keys', `{"logits":[[1]],"label":[0],"options":{${keys(100_000)}}}`, 422, 'invalid_option'],
  ['millions of values', `{"options":[${'0,'.repeat(5_000_000)}0]}`, 400, 'malformed_body'],
  ['millions of arrays', `{"logits":[${'[],'.repeat(5_000_000)}[]],"label":[0]}`, 400, 'malformed_body'],
  ['millions of values in a field that no request has', `{"x":[${'0,'.repeat(5_000_000)}0]}`, 422, 'unknown_field'],
])(
  'a text of %s is refused, and others are answered meanwhile',
  { timeout: 60_000 },
  async (_what, text, status, code) => {
    const large = Array.from({ length: 3 }, () => post(text));
    const small = await post('{"logits":[[1,2]],"label":[0]}');
    expect(small.status).toBe(200);
    for (const reply of await Promise.all(large)) {
      expect([reply.status, reply.body.code]).toEqual([status, code]);
      expect(reply.body.detail).not.toContain('repeat');
      expect(reply.body.detail!.length).toBeLessThanOrEqual(4096);
    }
  },
);

test('many large texts leave no listeners behind', { timeout: 60_000 }, async () => {
  const text = `{"logits":[[${'0,'.repeat(200_000)}1]],"label":[0]}`;
  for (let k = 0; k < 15; k++) expect((await post(text)).status).toBe(200);
  expect(service.output).not.toContain('MaxListenersExceeded');
});

function keys(count: number): string {
  return Array.from({ length: count }, (_, k) => `"k${k}":0`).join(',');
}
