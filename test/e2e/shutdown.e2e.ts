import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { MSGPACK, encodeRequest } from '../service.ts';
import { ServiceProcess } from './process.ts';
import { TIMED } from '../timed.ts';

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

  // The service still listens, to report the shutdown.
  const answers = await Promise.all(['/livez', '/readyz', '/v1/info'].map((path) => fetch(service!.url + path)));
  expect(answers.map(({ status }) => status)).toEqual([200, 503, 503]);
  expect(await answers[2]!.json()).toMatchObject({ code: 'shutting_down' });
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

test('what is not done in time is cut off, and the exit code is 0', async () => {
  service = await ServiceProcess.start({ LOSSMETER_DRAIN_SECONDS: '1' });
  const hold = request(`${service.url}/v1/cross-entropy`, {
    method: 'POST',
    headers: { 'content-type': MSGPACK, 'content-length': 100 },
  });
  const cut = once(hold, 'error') as Promise<[NodeJS.ErrnoException]>;
  hold.write(Buffer.of(0x82));
  await pause(100);
  const started = performance.now();
  expect(await service.end()).toBe(0);
  expect(performance.now() - started).toBeGreaterThan(900);
  expect((await cut)[0].code).toBe('ECONNRESET');
  expect(service.output).toContain('1 requests are still pending after 1 s and are cut off');
});

test('a second SIGTERM ends it at once', async () => {
  service = await ServiceProcess.start();
  const hold = request(`${service.url}/v1/cross-entropy`, {
    method: 'POST',
    headers: { 'content-type': MSGPACK, 'content-length': 100 },
  });
  hold.on('error', () => {});
  hold.write(Buffer.of(0x82));
  await pause(100);
  service.child.kill('SIGTERM');
  await pause(200);
  expect(service.child.exitCode).toBeNull();
  expect(await service.end()).toBe(1);
  expect(service.output).toContain('second SIGTERM, exiting');
});

test.each(['SIGBUS', 'SIGSEGV'] as const)('%s ends it at once: nothing waits for what has failed', async (signal) => {
  service = await ServiceProcess.start();
  const exited = once(service.child, 'exit');
  service.child.kill(signal);
  expect(await exited).toEqual([null, signal]);
});

test('an idle keep-alive connection does not hold the shutdown up', TIMED, async () => {
  service = await ServiceProcess.start();
  await (await fetch(`${service.url}/livez`)).text();
  const started = performance.now();
  expect(await service.end()).toBe(0);
  expect(performance.now() - started).toBeLessThan(5000);
});

test('clients that leave in the middle of their logits leave nothing behind', async () => {
  service = await ServiceProcess.start({ LOSSMETER_MAX_BYTES_IN_FLIGHT: String(2 ** 23) });
  const logits = { dtype: 'float32', shape: [1000, 1000], data: new Uint8Array(4_000_000) };
  const label = { dtype: 'int16', shape: [1000], data: new Uint8Array(2000) };
  const streamed = encodeRequest({ label, logits }, MSGPACK) as Uint8Array;
  const held = encodeRequest({ logits, label }, MSGPACK) as Uint8Array;
  // A leak of the slab or the held bytes of each client would be several times the limit of bytes in flight.
  for (const body of Array.from({ length: 12 }, () => [streamed, held]).flat()) {
    const upload = request(`${service.url}/v1/cross-entropy`, {
      method: 'POST',
      headers: { 'content-type': MSGPACK, 'content-length': body.byteLength },
    });
    upload.on('error', () => {});
    upload.write(body.subarray(0, 3_000_000));
    await pause(30);
    upload.destroy();
  }
  await pause(100);
  for (const body of [streamed, held]) {
    const response = await fetch(`${service.url}/v1/cross-entropy`, {
      method: 'POST',
      headers: { 'content-type': MSGPACK },
      body: Buffer.from(body),
    });
    expect(response.status).toBe(200);
  }
  expect(service.output).toContain('client_closed');
  expect(service.output).not.toMatch(/"level":(50|60)/);
  expect(await service.end()).toBe(0);
});

test('while it shuts down, a kept connection gets a problem for work, and the probes answer', async () => {
  service = await ServiceProcess.start();
  const { url } = service;
  const hold = request(`${url}/v1/cross-entropy`, {
    method: 'POST',
    headers: { 'content-type': MSGPACK, 'content-length': 100 },
  });
  hold.on('error', () => {});
  hold.write(Buffer.of(0x82));
  // Requests whose heads are half sent: their connections are not idle, so they outlive the listener.
  const sockets = ['/livez', '/readyz', '/v1/info'].map((path) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n`);
    return socket;
  });
  await pause(100);
  const exited = once(service.child, 'exit');
  service.child.kill('SIGTERM');
  await pause(100);
  const answers = await Promise.all(
    sockets.map(async (socket) => {
      socket.write('\r\n');
      const [data] = (await once(socket, 'data')) as [Buffer];
      return data.toString();
    }),
  );
  expect(answers[0]).toMatch(/^HTTP\/1.1 200 /);
  expect(answers[1]).toMatch(/^HTTP\/1.1 503 [\s\S]*"ready":false/);
  expect(answers[2]).toMatch(/^HTTP\/1.1 503 [\s\S]*retry-after: 1[\s\S]*"code":"shutting_down"/);
  hold.destroy();
  expect(await exited).toEqual([0, null]);
});
