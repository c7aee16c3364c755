import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { lstat, rm } from 'node:fs/promises';
import { connect, createServer, isIPv6 } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Config } from './config.ts';

/** Codes of addresses that this machine lacks: IPv6 may be off where `localhost` names it. */
const NO_ADDRESS: readonly string[] = ['EADDRNOTAVAIL', 'EAFNOSUPPORT'];

/**
 * Listens where the configuration says: on a Unix domain socket, or on the port of all addresses of the host. Closing
 * removes the socket.
 * @throws Error when something else listens there, or the path of the socket is taken by another kind of file
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
 * Listens at every address, on one port. A single HTTP server answers at all of them, so that its bounds and listeners
 * hold for all together: Fastify would make another one for the second address of `localhost`, without either.
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
    // Sockets as HTTP servers of Node.js have them.
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

/** Says which variable is wrong, and why; undefined for errors that are not about the address. */
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

/** A service that was killed leaves its socket behind, on which nobody listens. */
async function removeStaleSocket(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) return;
  if (!stats.isSocket()) throw new Error(`LOSSMETER_SOCKET is ${path}, which exists and is not a socket`);
  if (await isListening(path)) throw new Error(`LOSSMETER_SOCKET is ${path}, but another process listens on it`);
  // Another service may have come first.
  await rm(path, { force: true });
}

/** Only a refused connection, or no socket any more, says that nobody does. */
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
