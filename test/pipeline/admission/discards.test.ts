import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { Discards, MAX_DISCARDING_MS, MAX_WAITING, PATIENCE_MS } from '../../../src/pipeline/admission/discards.ts';

/** Bytes of a body, and its first ones. */
const LENGTH = 2 ** 20;
const START = 'body';

// Only the timers of the class: connections use those of Node.js.
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

/** Bodies in the order in which the service refused them. */
async function makeServer(): Promise<{ server: Server; bodies: IncomingMessage[] }> {
  const discards = new Discards();
  const bodies: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    bodies.push(request);
    discards.add(request);
    response.writeHead(413, { 'content-length': 0 }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, bodies };
}

/** Sends the first bytes of a body, and waits for the answer. */
async function sendStart(server: Server): Promise<Socket> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  // A destroyed connection may be reset.
  socket.on('error', () => undefined);
  socket.write(`POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${LENGTH}\r\n\r\n${START}`);
  await once(socket, 'data');
  return socket;
}

test('beyond the limit of waiting bodies, the connection of the oldest is destroyed', async () => {
  const { server, bodies } = await makeServer();
  for (let k = 0; k <= MAX_WAITING; k++) await sendStart(server);
  expect(bodies.filter((body) => body.destroyed)).toEqual([]);
  const last = await sendStart(server);
  expect(bodies.map((body) => body.destroyed)).toEqual(bodies.map((_, k) => k === 1));
  expect(last.destroyed).toBe(false);
});

test('a body is read after the one before it has ended, has lost its client, or has taken its time', async () => {
  const { server, bodies } = await makeServer();
  const [ending, leaving] = [await sendStart(server), await sendStart(server)];
  for (let k = 0; k < 2; k++) await sendStart(server);
  const flowing = () => bodies.map((body) => body.readableFlowing === true && !body.destroyed);
  expect(flowing()).toEqual([true, false, false, false]);
  ending.write(Buffer.alloc(LENGTH - START.length));
  await once(bodies[0]!, 'close');
  expect(flowing()).toEqual([false, true, false, false]);
  leaving.destroy();
  await once(bodies[1]!, 'close');
  expect(flowing()).toEqual([false, false, true, false]);
  vi.advanceTimersByTime(PATIENCE_MS);
  expect(flowing()).toEqual([false, false, true, true]);
});

test('a body whose client leaves after a few bytes does not wait', async () => {
  const { server, bodies } = await makeServer();
  await sendStart(server);
  const leaving = await sendStart(server);
  leaving.destroy();
  await once(bodies[1]!, 'close');
  // The left one no longer counts, so that these are as many as may wait.
  for (let k = 0; k < MAX_WAITING; k++) await sendStart(server);
  expect(bodies.map((body) => body.destroyed)).toEqual(bodies.map((_, k) => k === 1));
});

test('many bodies of one connection have one listener', async () => {
  const { server, bodies } = await makeServer();
  await sendStart(server);
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  for (let k = 0; k < 20; k++) {
    socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n');
    await once(socket, 'data');
    socket.write('body');
  }
  expect(bodies.length).toBe(21);
  const listeners = bodies.at(-1)!.socket.listenerCount('close');
  expect(listeners).toBeLessThanOrEqual(bodies[0]!.socket.listenerCount('close'));
  socket.destroy();
  await once(bodies.at(-1)!, 'close');
  expect(bodies.slice(1).every((body) => body.destroyed)).toBe(true);
});

test('a body that does not end is read for a limited time', async () => {
  const { server, bodies } = await makeServer();
  await sendStart(server);
  vi.advanceTimersByTime(MAX_DISCARDING_MS - 1);
  expect(bodies[0]!.destroyed).toBe(false);
  vi.advanceTimersByTime(1);
  expect(bodies[0]!.destroyed).toBe(true);
});
