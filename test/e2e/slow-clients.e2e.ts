import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeRequest, MSGPACK } from '../service.ts';
import { ServiceProcess } from './process.ts';

const ROWS = 1000;
const REQUEST = encodeRequest(
  {
    label: { dtype: 'int16', shape: [ROWS], data: new Uint8Array(2 * ROWS) },
    logits: { dtype: 'float32', shape: [ROWS, 1000], data: new Uint8Array(4000 * ROWS) },
  },
  MSGPACK,
) as Uint8Array;
const HEAD = `POST /v1/cross-entropy HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${MSGPACK}\r\ncontent-length: ${REQUEST.byteLength}\r\n\r\n`;

let service: ServiceProcess;
beforeAll(async () => {
  service = await ServiceProcess.start({
    LOSSMETER_STALL_SECONDS: '2',
    LOSSMETER_MIN_BYTES_PER_SECOND: '1000',
    LOSSMETER_MAX_REQUESTS_IN_FLIGHT: '4',
    LOSSMETER_MAX_QUEUED_REQUESTS: '64',
  });
});
afterAll(() => service.end());

const post = async (body: Uint8Array): Promise<number> => {
  const answer = await fetch(`${service.url}/v1/cross-entropy`, {
    method: 'POST',
    headers: { 'content-type': MSGPACK },
    body: Buffer.from(body),
  });
  await answer.arrayBuffer();
  return answer.status;
};

/** Sends `begin` at once, and `rest` at a rate of bytes per second. Resolves to the text that the service sent. */
async function drip(begin: Buffer, rest: Uint8Array, bytesPerSecond: number): Promise<string> {
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write(begin);
  let at = 0;
  const timer = setInterval(() => socket.write(rest.subarray(at, (at += bytesPerSecond / 10))), 100);
  const text = await everything(socket);
  clearInterval(timer);
  return text;
}

async function everything(socket: Socket): Promise<string> {
  const came: Buffer[] = [];
  socket.on('data', (chunk) => came.push(chunk));
  await Promise.race([once(socket, 'close'), once(socket, 'data').then(() => sleep(200))]);
  socket.destroy();
  return Buffer.concat(came).toString();
}

test('a hundred clients that send a byte a second, in head or body, do not keep others from being evaluated', async () => {
  const heads = Array.from({ length: 50 }, () => drip(Buffer.from(HEAD.slice(0, 60)), Buffer.from(HEAD.slice(60)), 10));
  const bodies = Array.from({ length: 50 }, () =>
    drip(Buffer.concat([Buffer.from(HEAD), REQUEST.subarray(0, 3000)]), REQUEST.subarray(3000), 10),
  );
  await sleep(300);
  // The slow clients are connected, and outnumber the places for requests.
  for (let k = 0; k < 20; k++) expect(await post(REQUEST)).toBe(200);
  for (const answer of await Promise.all(heads)) {
    expect(answer).toMatch(/^HTTP\/1\.1 408 [\s\S]*"code":"client_too_slow"/);
  }
  for (const answer of await Promise.all(bodies)) {
    expect(answer).toMatch(/^HTTP\/1\.1 408 [\s\S]*connection: close[\s\S]*at least 1000 bytes per second/i);
  }
  expect(service.output).not.toMatch(/"level":(50|60)/);
});

test('a client that is steady takes its time', async () => {
  const [length, tail] = [REQUEST.byteLength, 20_000];
  const started = performance.now();
  const answer = await drip(
    Buffer.concat([Buffer.from(HEAD), REQUEST.subarray(0, length - tail)]),
    REQUEST.subarray(length - tail),
    4000,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  // More than twice the time limit of a stalled client.
  expect(performance.now() - started).toBeGreaterThan(4000);
});

test('a client that does not take its answer is cut off', async () => {
  const impatient = await ServiceProcess.start({
    LOSSMETER_STALL_SECONDS: '1',
    LOSSMETER_MIN_BYTES_PER_SECOND: '100000',
  });
  const request = encodeRequest(
    {
      options: { outputs: ['gradient'] },
      label: { dtype: 'int16', shape: [8 * ROWS], data: new Uint8Array(16 * ROWS) },
      logits: { dtype: 'float32', shape: [8 * ROWS, 1000], data: new Uint8Array(32_000 * ROWS) },
    },
    MSGPACK,
  ) as Uint8Array;
  const socket = connect(Number(new URL(impatient.url).port), '127.0.0.1');
  socket.on('error', () => {});
  socket.pause();
  socket.write(HEAD.replace(/content-length: \d+/, `content-length: ${request.byteLength}\r\naccept: ${MSGPACK}`));
  socket.write(request);
  while (!impatient.output.includes('the client does not receive its answer and is cut off')) await sleep(50);
  socket.destroy();
  expect(await impatient.end()).toBe(0);
});
