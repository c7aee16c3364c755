import fp from 'fastify-plugin';
import { LossmeterError } from '../errors.ts';

/** They answer to the end. */
const PROBES = new Set(['/livez', '/readyz', '/v2/health/live', '/v2/health/ready']);

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether the service takes work. */
    readonly isReady: () => boolean;
  }
}

/** Knows whether the service takes work: from ready until it is asked to close. */
export default fp(
  async (app) => {
    let ready = false;
    let closing = false;
    app.decorate('isReady', () => ready);
    app.addHook('onReady', async () => {
      ready = true;
    });
    app.addHook('preClose', async () => {
      ready = false;
      closing = true;
    });
    app.addHook('onRequest', async (request) => {
      if (closing && !PROBES.has(request.routeOptions.url ?? '')) {
        throw new LossmeterError('shutting_down', 'the service is shutting down and takes no new work');
      }
    });
    // A connection that stayed open after its last answer would keep the server from closing.
    app.addHook('onSend', async (_request, reply) => {
      if (!ready) reply.header('connection', 'close');
    });
  },
  { name: 'lifecycle' },
);
