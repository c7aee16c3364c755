import { setTimeout as sleep } from 'node:timers/promises';
import fp from 'fastify-plugin';
import type { Config } from '../../config.ts';
import { LossmeterError } from '../../errors.ts';

/** They answer to the end. */
export const PROBES = new Set(['/livez', '/readyz', '/v2/health/live', '/v2/health/ready']);

/** Returns true for routes that answer while the service shuts down: probes, and the metrics, for their last values. */
export const answersToTheEnd = (url: string): boolean => PROBES.has(url) || url === '/metrics';

/** Milliseconds for which kept connections are answered when all work is done, and between two counts of them. */
const LINGER_MS = 500;
const LINGER_CHECK_MS = 10;

declare module 'fastify' {
  interface FastifyInstance {
    /** Aborted when the service begins to close: what has no end of its own ends then. */
    readonly closing: AbortSignal;
    /** Returns true while the service takes work. */
    readonly isReady: () => boolean;
  }
}

/**
 * Knows whether the service takes work: from ready until it is asked to close. Then it goes on to listen, tells the
 * probes so and refuses work, until what is under way is done or has had its time; what is left is cut off.
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
    // A connection that stayed open after its last answer would keep the server from closing.
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
      // A client that keeps its connection may be about to send: it is answered with 503, and not by a reset.
      const end = performance.now() + Math.min(LINGER_MS, config.drainSeconds * 1000);
      while (app.openConnections() > 0 && performance.now() < end) await sleep(LINGER_CHECK_MS);
      // Also those whose head never came: they would keep the server from closing.
      app.server.closeAllConnections();
    });
  },
  { name: 'lifecycle' },
);
