import type { FastifyInstance } from 'fastify';
import { Liveness, Readiness } from '../src/contract/service.ts';

export default async function health(app: FastifyInstance): Promise<void> {
  app.get(
    '/livez',
    {
      logLevel: 'warn',
      config: { scope: 'open' },
      schema: {
        tags: ['service'],
        operationId: 'getLiveness',
        summary: 'Liveness probe',
        description: 'Answers while the event loop runs. Restart the container when it does not.',
        response: { 200: Liveness },
      },
    },
    () => ({ live: true }),
  );

  app.get(
    '/readyz',
    {
      logLevel: 'warn',
      config: { scope: 'open' },
      schema: {
        tags: ['service'],
        operationId: 'getReadiness',
        summary: 'Readiness probe',
        description:
          '503 until the kernels are loaded, and again while the service shuts down. `history` gives the reason while runs cannot be recorded.',
        response: { 200: Readiness, 503: { ...Readiness, examples: [{ ready: false }] } },
      },
    },
    (_request, reply) => {
      const ready = app.isReady();
      const { fault } = app.storeWatch;
      const history = fault === undefined ? {} : { history: { available: false, detail: fault } };
      return reply.code(ready ? 200 : 503).send({ ready, ...history });
    },
  );
}
