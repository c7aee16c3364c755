import { once } from 'node:events';
import { request } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { MSGPACK, encodeRequest } from '../service.ts';
import { ServiceProcess } from './process.ts';

let service: ServiceProcess | undefined;
afterEach(() => service?.end('SIGKILL'));

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('SIGTERM finishes the request in flight, refuses new ones, and exits 0', async () => {
  service = await ServiceProcess.start();
  const logits = { dtype: 'float32', shape: [1000, 1000], data: new Uint8Array(4_000_000) };
  const label = { dtype: 'int16', shape: [1000], data: new Uint8Array(2000) };
  const body = encodeRequest({ label, logits }, MSGPACK) as Uint8Array;

  const upload = request(`${service.url}/v1/cross-entropy`, {
    method: 'POST',
    headers: { 'content-type': MSGPACK, 'content-length': body.byteLength },
  });
  const answered = once(upload, 'response');
  upload.write(body.subarray(0, 1_000_000));
  await pause(100);
  const exited = once(service.child, 'exit');
  service.child.kill('SIGTERM');
  await pause(100);

  await expect(fetch(`${service.url}/livez`)).rejects.toThrow('fetch failed');
  expect(service.child.exitCode).toBeNull();
  upload.end(body.subarray(1_000_000));
  const [response] = (await answered) as [import('node:http').IncomingMessage];
  expect(response.statusCode).toBe(200);
  expect(response.headers.connection).toBe('close');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const answer = JSON.parse(Buffer.concat(chunks).toString()) as { numerator: number };
  expect(answer.numerator).toBeCloseTo(1000 * Math.log(1000), 6);

  expect(await exited).toEqual([0, null]);
  expect(service.output).toContain('SIGTERM: finishing the requests in flight');
});

test('an idle keep-alive connection does not hold the shutdown up', async () => {
  service = await ServiceProcess.start();
  await (await fetch(`${service.url}/livez`)).text();
  const started = performance.now();
  expect(await service.end()).toBe(0);
  expect(performance.now() - started).toBeLessThan(5000);
});

test('a client that leaves in the middle of an upload leaves nothing behind', async () => {
  service = await ServiceProcess.start();
  const label = encodeRequest({ label: [0] }, MSGPACK) as Uint8Array;
  for (let k = 0; k < 20; k++) {
    const upload = request(`${service.url}/v1/cross-entropy`, {
      method: 'POST',
      headers: { 'content-type': MSGPACK, 'content-length': 10_000_000 },
    });
    upload.on('error', () => {});
    upload.write(label);
    upload.write(new Uint8Array(100_000));
    await pause(10);
    upload.destroy();
  }
  const response = await fetch(`${service.url}/v1/cross-entropy`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"logits": [[0, 0]], "label": [1]}',
  });
  expect(await response.json()).toMatchObject({ mean_nll: Math.LN2 });
  expect(service.output).not.toMatch(/"level":(50|60)/);
  expect(await service.end()).toBe(0);
});
