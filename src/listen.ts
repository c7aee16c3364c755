import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { lstat, rm } from 'node:fs/promises';
import { connect, createServer, isIPv6 } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Config } from './config.ts';

/** Error codes of addresses that this machine lacks. `localhost` may name an IPv6 address although IPv6 is off. */
const NO_ADDRESS: readonly string[] = ['EADDRNOTAVAIL', 'EAFNOSUPPORT'];

/**
 * Listens on the configured Unix domain socket, or on the configured port of every address of the host. Closing removes
 * the socket.
 * @throws Error when another process listens there, or when the path of the socket is a file of another kind
 */
export async function listen(app: FastifyInstance, { host, port, socket }: Config): Promise<void> {
  if (socket === undefined) {
    await listenAtName(app, { host, port }).catch((cause: NodeJS.ErrnoException) => {
      const explanation = explain(cause, { host, port });
      throw explanation === undefined ? cause : new Error(explanation, { cause });
    });
    return;
  }
  await removeStaleSocket(socket);
  await app.listen({ path: socket });
}

async function listenAtName(app: FastifyInstance, { host, port }: { host: string; port: number }): Promise<void> {
  const found = await lookup(host, { all: true, order: 'ipv4first' });
  await listenAt(app, new Set(found.map(({ address }) => address)), port);
}

/**
 * Listens on one port of every address. A single HTTP server handles all connections, so its limits and event listeners
 * apply to all addresses. Fastify would make a second server for the second address of `localhost`, without these limits
 * and listeners.
 */
export async function listenAt(app: FastifyInstance, addresses: Iterable<string>, port: number): Promise<void> {
  const [first, ...others] = addresses;
  const listeners: Server[] = [];
  app.addHook('preClose', async () => {
    for (const listener of listeners) listener.close();
  });
  await app.listen({ host: first!, port });
  const shared = (app.server.address() as AddressInfo).port;
  for (const host of others) {
    // Socket options of the HTTP servers of Node.js.
    const listener = createServer({ allowHalfOpen: true, noDelay: true });
    listener.on('connection', (socket) => app.server.emit('connection', socket));
    listener.maxConnections = app.server.maxConnections;
    listeners.push(listener);
    try {
      await once(listener.listen({ host, port: shared }), 'listening');
      app.log.info(`Server listening at http://${isIPv6(host) ? `[${host}]` : host}:${shared}`);
    } catch (error) {
      if (!NO_ADDRESS.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      app.log.warn(`${host} is not an address of this machine: the service does not listen on it`);
    }
  }
}

/** Explains which variable is wrong, and why; undefined for errors that do not concern the address. */
function explain(
  { code = '', message }: NodeJS.ErrnoException,
  { host, port }: Pick<Config, 'host' | 'port'>,
): string | undefined {
  if (code === 'EADDRINUSE') {
    return `LOSSMETER_PORT is ${port}, on which another process listens at ${host}: end it, or set another port, or 0 for a free one`;
  }
  if (code === 'EACCES') return `LOSSMETER_PORT is ${port}, on which this process may not listen: set one from 1024 on`;
  if ([...NO_ADDRESS, 'ENOTFOUND', 'EAI_AGAIN', 'EINVAL'].includes(code)) {
    return `LOSSMETER_HOST is ${host}, which is not an address of this machine: ${message}`;
  }
  return undefined;
}

/**
 * Removes the socket that a killed service left behind.
 * @throws Error when another process listens on it, or when it is not a socket
 */
async function removeStaleSocket(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) return;
  if (!stats.isSocket()) throw new Error(`LOSSMETER_SOCKET is ${path}, which exists and is not a socket`);
  if (await isListening(path)) throw new Error(`LOSSMETER_SOCKET is ${path}, but another process listens on it`);
  // Another service may have removed it already.
  await rm(path, { force: true });
}

/** True when a process listens on the socket. Only a refused connection or a missing socket means that none does. */
function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}
