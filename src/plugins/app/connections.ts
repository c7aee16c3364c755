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

/** The part of all connections that is for probes, and its least and greatest. */
const PROBE_PART = 1 / 16;
const MIN_PROBE_CONNECTIONS = 2;
const MAX_PROBE_CONNECTIONS = 64;

/** Listeners of an answer: streams of Node.js and Fastify have some seven, and plugins that wait for its end one each. */
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
  /** Requests under way: a client may send several at once. */
  requests: number;
}

/**
 * Bounds connections, all of them and the idle ones of each address. A connection is idle while it has no request under
 * way; one whose head is still to come has none. Of the last connections only probes are answered, so that whoever holds
 * all others does not have the service taken for dead.
 */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const { maxConnections, maxIdleConnectionsPerAddress: maxIdle } = config;
    const forProbes = probeShare(maxConnections);
    const connections = new WeakMap<Socket, Connection>();
    const addresses = new Map<string, Address>();
    /** Connections that came when only those for probes were left. */
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
      // Node.js counts those of each address that it listens at.
      if (open >= maxConnections) return void socket.destroy();
      // Unix domain sockets have no address: their number alone is bounded.
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
      // Node.js refuses the next one where all are taken.
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

/** More connections leave more for others than probes: the configuration asks for more than the least share. */
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
