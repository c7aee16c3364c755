import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { normalizeIP } from '@fastify/rate-limit';
import fp from 'fastify-plugin';
import type { Config } from '../../config.ts';
import { LossmeterError } from '../../errors.ts';
import { PROBES } from './lifecycle.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Number of open connections. */
    readonly openConnections: () => number;
  }
}

/** Share of all connections that is reserved for probes, and its limits. */
const PROBE_PART = 1 / 16;
const MIN_PROBE_CONNECTIONS = 2;
const MAX_PROBE_CONNECTIONS = 64;

/** Largest number of listeners of an answer: Node.js and Fastify add about seven, and plugins that await its end one each. */
const MOST_LISTENERS = 16;

/** Connections of one address. */
interface Address {
  open: number;
  /** Idle connections, in the order in which they became idle. */
  readonly idle: Set<Connection>;
}

interface Connection {
  readonly socket: Socket;
  readonly address: Address;
  /** Number of requests in progress: a client may pipeline several. */
  requests: number;
}

/**
 * Limits the connections in total, and the idle connections of each address. A connection is idle while it has no request in
 * progress, also while the head of a request arrives. The last connections are reserved for probes, so that probes succeed
 * even when clients hold all other connections.
 */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const { maxConnections, maxIdleConnectionsPerAddress: maxIdle } = config;
    const forProbes = probeShare(maxConnections);
    const connections = new WeakMap<Socket, Connection>();
    const addresses = new Map<string, Address>();
    /** Connections that were opened when only the reserved ones were left. */
    const reserved = new Set<Connection>();
    let open = 0;
    app.decorate('openConnections', () => open);

    const becomeIdle = (connection: Connection): void => {
      const { idle } = connection.address;
      idle.add(connection);
      if (idle.size > maxIdle) oldest(idle)!.socket.destroy();
    };

    const { server } = app;
    server.maxConnections = maxConnections;
    server.on('connection', (socket: Socket) => {
      // Node.js counts the connections of each listening address separately.
      if (open >= maxConnections) return void socket.destroy();
      // Unix domain sockets have no address, so only their total number is limited.
      const name = socket.remoteAddress === undefined ? undefined : normalizeIP(socket.remoteAddress);
      const address = (name !== undefined && addresses.get(name)) || { open: 0, idle: new Set() };
      if (name !== undefined) addresses.set(name, address);
      const connection = { socket, address, requests: 0 };
      connections.set(socket, connection);
      open++;
      address.open++;
      socket.once('close', () => {
        open--;
        address.idle.delete(connection);
        reserved.delete(connection);
        if (--address.open === 0 && name !== undefined) addresses.delete(name);
      });
      becomeIdle(connection);
      if (open <= maxConnections - forProbes) return;
      // Frees a connection for the next probe: Node.js refuses connections beyond the limit.
      if (open >= maxConnections) oldest(reserved, ({ requests }) => requests === 0)?.socket.destroy();
      reserved.add(connection);
    });

    const begin = ({ socket }: IncomingMessage, response: ServerResponse): void => {
      const connection = connections.get(socket)!;
      connection.requests++;
      connection.address.idle.delete(connection);
      response.setMaxListeners(MOST_LISTENERS);
      response.once('close', () => {
        if (--connection.requests === 0 && !socket.destroyed) becomeIdle(connection);
      });
    };
    for (const event of ['request', 'checkContinue', 'checkExpectation']) server.prependListener(event, begin);

    app.addHook('onRequest', (request, reply, done) => {
      const connection = connections.get(request.raw.socket);
      if (connection === undefined || !reserved.has(connection)) return done();
      if (open <= maxConnections - forProbes) {
        reserved.delete(connection);
        return done();
      }
      reply.header('connection', 'close');
      if (PROBES.has(request.routeOptions.url ?? '')) return done();
      const detail = `${open} of ${maxConnections} connections are open, and the last ${forProbes} are reserved for probes`;
      done(new LossmeterError('overloaded', detail));
    });
  },
  { name: 'connections' },
);

/** Number of reserved connections. The configuration requires more connections than MIN_PROBE_CONNECTIONS. */
function probeShare(maxConnections: number): number {
  return Math.min(MAX_PROBE_CONNECTIONS, Math.max(MIN_PROBE_CONNECTIONS, Math.floor(maxConnections * PROBE_PART)));
}

function oldest(
  connections: Iterable<Connection>,
  isWanted: (connection: Connection) => boolean = () => true,
): Connection | undefined {
  for (const connection of connections) if (isWanted(connection)) return connection;
  return undefined;
}
