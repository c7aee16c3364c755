import type { FastifyInstance } from 'fastify';

export default async function openapi(app: FastifyInstance): Promise<void> {
  if (app.config.docs === 'off') return;
  app.get('/openapi.json', { config: { scope: 'read' }, schema: { hide: true } }, (_request, reply) =>
    reply.type('application/json; charset=utf-8').send(app.openApiText()),
  );
}
