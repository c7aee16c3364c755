/** Requests must not cause collections of the whole heap, which take processor time from the kernels. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Client } from '../http-client.ts';
import { safetensorsFile } from '../safetensors-file.ts';
import { ServiceProcess } from './process.ts';

const ROWS = 1024;
const CLASSES = 32_000;
const UPLOADS = 10;
const MAX_COLLECTIONS = 1;

/** Bytes per request that may survive, averaged over a thousand requests. */
const MAX_SURVIVING_BYTES = 1500;

let service: ServiceProcess;
beforeAll(async () => {
  const preload = new URL('./report-collections.ts', import.meta.url).href;
  service = await ServiceProcess.start({ NODE_OPTIONS: `--import=${preload}` });
});
afterAll(() => service.end());

function collections(): number {
  return service.output.split('collected the whole heap').length - 1;
}

test('ten uploads of 131 MB bring on at most one', { timeout: 120_000 }, async () => {
  const label = new Uint8Array(4 * ROWS);
  const logits = new Uint8Array(4 * ROWS * CLASSES);
  const body = safetensorsFile([
    ['label', { dtype: 'int32', shape: [ROWS], data: label }],
    ['logits', { dtype: 'float32', shape: [ROWS, CLASSES], data: logits }],
  ]);
  const headers = { 'content-type': 'application/vnd.safetensors' };
  using client = new Client(Number(new URL(service.url).port));
  const upload = async (): Promise<void> => {
    const answer = await client.send({ method: 'POST', path: '/v1/cross-entropy', headers, body });
    expect(answer.status).toBe(200);
    expect((JSON.parse(answer.body.toString()) as { loss: number }).loss).toBeCloseTo(Math.log(CLASSES), 6);
  };
  for (let k = 0; k < 3; k++) await upload();
  const before = collections();
  for (let k = 0; k < UPLOADS; k++) await upload();
  expect(collections() - before).toBeLessThanOrEqual(MAX_COLLECTIONS);
});

// Retried: objects in flight may be promoted by chance, and keep others alive. A leak, such as a map, fails every time.
test('nothing of a small request outlives the collections of young objects', { timeout: 120_000, retry: 2 }, () => {
  const script = fileURLToPath(new URL('./survivors.ts', import.meta.url));
  // Without NODE_OPTIONS: they preload the recorder of replies, which keeps objects.
  const env = { ...process.env, NODE_OPTIONS: '' };
  const printed = execFileSync(process.execPath, ['--expose-gc', script], { encoding: 'utf8', env });
  // About 7,500 when each request creates one object literal with accessors, or one middleware.
  expect(Number(printed)).toBeLessThan(MAX_SURVIVING_BYTES);
});
