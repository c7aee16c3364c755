import type { FastifyInstance } from 'fastify';

export default async function openapi(app: FastifyInstance): Promise<void> {
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
}
