import { once } from 'node:events';
import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { json } from 'node:stream/consumers';
import type { FastifyInstance } from 'fastify';
import { afterEach, describe, expect, test } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { loadConfig } from '../../src/environment.ts';
import type { Config } from '../../src/config.ts';
import { testConfig } from '../service.ts';

let app: FastifyInstance;
let port: number;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await app.close();
});

async function start(config: Partial<Config>): Promise<void> {
  app = await buildApp({ config: testConfig(config) });
  await app.listen({ host: '127.0.0.1', port: 0 });
  ({ port } = app.server.address() as AddressInfo);
}

/** Opens a connection, and waits until the service has accepted it. @returns `closed` resolves when it is closed */
async function open(): Promise<{ socket: Socket; closed: Promise<unknown>; isClosed: () => boolean }> {
  const before = app.openConnections();
  const accepted = once(app.server, 'connection');
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  sockets.push(socket);
  const closed = once(socket.resume(), 'close');
  await accepted;
  expect(app.openConnections()).toBe(before + 1);
  return { socket, closed, isClosed: () => socket.closed };
}

async function get(path: string, agent: Agent | false = false): Promise<[number, IncomingMessage['headers'], unknown]> {
  const asked = request({ host: '127.0.0.1', port, path, agent }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  return [response.statusCode!, response.headers, await json(response)];
}

describe('idle connections of an address', () => {
  test('are bounded: of more, the one that is idle longest is closed', async () => {
    await start({ maxIdleConnectionsPerAddress: 3 });
    const held = [await open(), await open(), await open()];
    await open();
    await held[0]!.closed;
    expect(held.slice(1).map(({ isClosed }) => isClosed())).toEqual([false, false]);
    // A connection with a request in progress is not idle, and is not closed.
    held[1]!.socket.write('POST /v1/cross-entropy HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n');
    held[1]!.socket.write('content-length: 10\r\n\r\n');
    await once(app.server, 'request');
    await open();
    await open();
    await held[2]!.closed;
    expect(held[1]!.isClosed()).toBe(false);
  });
});

describe('the last connections', () => {
  test.each([
    [3, 1],
    [4, 2],
    [5, 3],
    [32, 30],
    [48, 45],
  ])('of %d connections leave %d to others', async (maxConnections, others) => {
    await start({ maxConnections });
    for (let k = 1; k < others; k++) await open();
    expect((await get('/v1/info'))[0]).toBe(200);
    const last = await open();
    expect((await get('/v1/info'))[0]).toBe(429);
    expect(last.isClosed()).toBe(false);
    expect((await get('/livez'))[0]).toBe(200);
  });

  test('leave one at least: fewer connections are not configured', () => {
    expect(() => loadConfig({ LOSSMETER_MAX_CONNECTIONS: '2' })).toThrow(
      'LOSSMETER_MAX_CONNECTIONS must be at least 3',
    );
    expect(loadConfig({ LOSSMETER_MAX_CONNECTIONS: '3' }).maxConnections).toBe(3);
  });

  test('are for probes', async () => {
    await start({ maxConnections: 8 });
    for (let k = 0; k < 6; k++) await open();
    const [status, headers, body] = await get('/v1/info');
    expect([status, headers.connection]).toEqual([429, 'close']);
    expect(body).toMatchObject({
      code: 'overloaded',
      detail: expect.stringContaining('are reserved for probes') as string,
    });
    for (const path of ['/livez', '/readyz', '/v2/health/ready']) expect((await get(path))[0]).toBe(200);
  });

  test('are not held by those who say nothing', async () => {
    await start({ maxConnections: 8 });
    for (let k = 0; k < 6; k++) await open();
    const silent = await open();
    await open();
    await silent.closed;
    for (let k = 0; k < 3; k++) expect((await get('/livez'))[0]).toBe(200);
  });

  test('serve again when others are closed', async () => {
    await start({ maxConnections: 8 });
    const held = [];
    for (let k = 0; k < 6; k++) held.push(await open());
    const last = await open();
    for (const { socket } of held.slice(0, 2)) socket.destroy();
    while (app.openConnections() > 5) await new Promise((resolve) => setImmediate(resolve));
    last.socket.write('GET /v1/info HTTP/1.1\r\nhost: localhost\r\n\r\n');
    const [data] = (await once(last.socket, 'data')) as [Buffer];
    expect(data.toString()).toMatch(/^HTTP\/1.1 200 /);
  });
});

test('a kept connection gets a 503 with Connection: close when the service drains, and no reset', async () => {
  await start({});
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  expect((await get('/v1/info', agent))[0]).toBe(200);
  const closing = app.close();
  await new Promise((resolve) => app.closing.addEventListener('abort', resolve));
  const [status, headers, body] = await get('/v1/info', agent);
  expect([status, headers.connection]).toEqual([503, 'close']);
  expect(body).toMatchObject({ code: 'shutting_down' });
  await closing;
  agent.destroy();
});
