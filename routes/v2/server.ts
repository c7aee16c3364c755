import type { FastifyInstance } from 'fastify';
import { ServerHealth, ServerMetadata, inferenceErrors } from '../../src/contract/open-inference.ts';
import { VERSION } from '../../src/version.ts';

const METADATA = {
  name: 'lossmeter',
  version: VERSION,
  extensions: ['binary_tensor_data', 'model_configuration', 'parameters', 'statistics'],
};

const tags = ['open inference'];

export default async function server(app: FastifyInstance): Promise<void> {
  const metadata = {
    tags,
    operationId: 'getServerMetadata',
    summary: 'Describe the server',
    response: { 200: ServerMetadata, ...inferenceErrors(503) },
  };
  app.get('', { config: { scope: 'any' }, schema: metadata }, () => METADATA);

  const liveness = {
    tags,
    operationId: 'getServerLive',
    summary: 'Liveness',
    response: { 200: ServerHealth },
  };
  const probe = { logLevel: 'warn', config: { scope: 'open' } } as const;
  app.get('/health/live', { ...probe, schema: liveness }, () => ({ live: true, ready: app.isReady() }));

  const readiness = {
    tags,
    operationId: 'getServerReady',
    summary: 'Readiness',
    response: { 200: ServerHealth, 503: { ...ServerHealth, examples: [{ live: true, ready: false }] } },
  };
  app.get('/health/ready', { ...probe, schema: readiness }, (_request, reply) => {
    const ready = app.isReady();
    return reply.code(ready ? 200 : 503).send({ live: true, ready });
  });
}
