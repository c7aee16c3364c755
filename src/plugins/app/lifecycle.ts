import { setTimeout as sleep } from 'node:timers/promises';
import fp from 'fastify-plugin';
import type { Config } from '../../config.ts';
import { LossmeterError } from '../../errors.ts';

/** Paths of probes, which are answered until the service has closed. */
export const PROBES = new Set(['/livez', '/readyz', '/v2/health/live', '/v2/health/ready']);

/** Returns true for routes that answer while the service shuts down: probes, and the metrics with their last values. */
export const answersToTheEnd = (url: string): boolean => PROBES.has(url) || url === '/metrics';

/** Milliseconds for which open connections are still answered after all work is done, and between checks of their number. */
const LINGER_MS = 500;
const LINGER_CHECK_MS = 10;

declare module 'fastify' {
  interface FastifyInstance {
    /** Aborted when the service begins to close. Endless answers, such as event streams, then end. */
    readonly closing: AbortSignal;
    /** Returns true while the service accepts work. */
    readonly isReady: () => boolean;
  }
}

/**
 * Tracks if the service accepts work: from ready until it begins to close. While it closes, it continues to listen, reports
 * not ready to the probes and refuses work, until the requests in progress end or `drainSeconds` have passed. Remaining
 * requests are cut off.
 */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    let ready = false;
    const closing = new AbortController();
    let underWay = 0;
    let allDone = (): void => undefined;
    app.decorate('closing', closing.signal);
    app.decorate('isReady', () => ready);
    app.addHook('onReady', async () => {
      ready = true;
    });
    app.addHook('onRequest', async (request, reply) => {
      if (answersToTheEnd(request.routeOptions.url ?? '')) return;
      if (closing.signal.aborted)
        throw new LossmeterError('shutting_down', 'the service is shutting down and takes no new work');
      underWay++;
      reply.raw.once('close', () => {
        if (--underWay === 0) allDone();
      });
    });
    // A connection that stays open after its last answer would prevent the server from closing.
    app.addHook('onSend', async (_request, reply) => {
      if (!ready) reply.header('connection', 'close');
    });
    app.addHook('preClose', async () => {
      ready = false;
      closing.abort();
      if (underWay > 0) {
        const done = new AbortController();
        allDone = () => done.abort();
        await sleep(config.drainSeconds * 1000, undefined, done).catch(() => undefined);
      }
      if (underWay > 0)
        app.log.warn(`${underWay} requests are still pending after ${config.drainSeconds} s and are cut off`);
      // A client with an open connection may be about to send. It gets a 503 instead of a reset.
      const end = performance.now() + Math.min(LINGER_MS, config.drainSeconds * 1000);
      while (app.openConnections() > 0 && performance.now() < end) await sleep(LINGER_CHECK_MS);
      // This includes connections without a complete head, which would prevent the server from closing.
      app.server.closeAllConnections();
    });
  },
  { name: 'lifecycle' },
);
