import { once } from 'node:events';
import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { json } from 'node:stream/consumers';
import type { FastifyInstance } from 'fastify';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { buildApp } from '../src/app.ts';
import type { Config } from '../src/config.ts';
import { listenAt } from '../src/listen.ts';
import { exchange } from './raw-http.ts';
import { testConfig } from './service.ts';

/** Two addresses, like the two that `localhost` often has. */
const ADDRESSES = ['127.0.0.1', '127.0.0.2'];

let app: FastifyInstance;
let port: number;
const sockets: Socket[] = [];

async function start(config: Partial<Config> = {}): Promise<void> {
  app = await buildApp({ config: testConfig(config) });
  await listenAt(app, ADDRESSES, 0);
  ({ port } = app.server.address() as AddressInfo);
}

async function stop(): Promise<void> {
  for (const socket of sockets.splice(0)) socket.destroy();
  await app.close();
}

async function get(host: string, path: string, agent: Agent | false = false): Promise<[number, unknown]> {
  const asked = request({ host, port, path, agent }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  return [response.statusCode!, await json(response)];
}

/** Opens a connection, and waits until the service has accepted it. @returns `closed` resolves when it ends */
async function open(host: string): Promise<{ closed: Promise<unknown> }> {
  const accepted = once(app.server, 'connection');
  const socket = connect(port, host).on('error', () => undefined);
  sockets.push(socket);
  const closed = once(socket.resume(), 'close');
  await accepted;
  return { closed };
}

describe('the service at two addresses', () => {
  beforeAll(() => start({ stallSeconds: 1 }));
  afterAll(stop);

  test.each(ADDRESSES)('answers requests at %s', async (host) => {
    expect((await get(host, '/v1/info'))[0]).toBe(200);
  });

  test.concurrent.each(
    ADDRESSES.flatMap((host) => [
      [host, 'an unknown Expect', 'GET /livez HTTP/1.1\r\nhost: localhost\r\nexpect: other\r\n\r\n', 417] as const,
      [host, 'CONNECT', 'CONNECT a:1 HTTP/1.1\r\nhost: localhost\r\n\r\n', 501] as const,
      [host, 'what is not HTTP', 'hello\r\n\r\n', 400] as const,
      [host, 'a head that does not end', 'GET /livez HTTP/1.1\r\n', 408] as const,
    ]),
  )('at %s refuses %s with a problem', async (host, _what, head, status) => {
    const answer = await exchange(`http://${host}:${port}`, [Buffer.from(head)]);
    expect([answer.status, answer.headers['content-type']]).toEqual([status, 'application/problem+json']);
  });
});

describe('with a service of its own', () => {
  afterEach(stop);

  test.each(ADDRESSES)(
    'a kept connection at %s gets a 503 when the service drains, and none is accepted after',
    async (host) => {
      await start();
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      expect((await get(host, '/v1/info', agent))[0]).toBe(200);
      const closing = app.close();
      await new Promise((resolve) => app.closing.addEventListener('abort', resolve));
      expect(await get(host, '/v1/info', agent)).toEqual([503, expect.objectContaining({ code: 'shutting_down' })]);
      await closing;
      agent.destroy();
      await expect(get(host, '/livez')).rejects.toThrow('ECONNREFUSED');
    },
  );

  test('connections of all addresses are bounded together', async () => {
    await start({ maxConnections: 4 });
    await open('127.0.0.1');
    await open('127.0.0.2');
    for (const host of ADDRESSES) {
      expect((await get(host, '/v1/info'))[0]).toBe(429);
      expect((await get(host, '/livez'))[0]).toBe(200);
    }
    const counts: number[] = [];
    app.server.on('connection', () => counts.push(app.openConnections()));
    for (let k = 0; k < 20; k++) sockets.push(connect(port, ADDRESSES[k % 2]).on('error', () => undefined));
    for (const host of ADDRESSES) expect((await get(host, '/livez'))[0]).toBe(200);
    expect(counts.length).toBeGreaterThan(4);
    expect(Math.max(...counts)).toBe(4);
  });

  test('idle connections of all addresses are bounded together', async () => {
    await start({ maxIdleConnectionsPerAddress: 2 });
    const first = await open('127.0.0.2');
    await open('127.0.0.1');
    await open('127.0.0.2');
    await first.closed;
    expect(app.openConnections()).toBe(2);
  });

  test('an address of another machine is skipped, and an address in use is an error', async () => {
    app = await buildApp({ config: testConfig() });
    await listenAt(app, ['127.0.0.1', '192.0.2.1'], 0);
    ({ port } = app.server.address() as AddressInfo);
    expect((await get('127.0.0.1', '/livez'))[0]).toBe(200);
    const other = await buildApp({ config: testConfig() });
    await expect(listenAt(other, ['127.0.0.2', '127.0.0.1'], port)).rejects.toThrow('EADDRINUSE');
    await other.close();
  });
});
