import type { FastifyInstance } from 'fastify';
import { MODELS } from '../../src/inference/models.ts';
import { RepositoryIndex, inferenceErrors } from '../../src/contract/open-inference.ts';

const schema = {
  tags: ['open inference'],
  operationId: 'getRepositoryIndex',
  summary: 'The models of the repository',
  description: 'The body is ignored.',
  response: { 200: RepositoryIndex, ...inferenceErrors(503) },
};

export default async function repository(app: FastifyInstance): Promise<void> {
  app.post('/repository/index', { config: { scope: 'any' }, schema }, () => {
    const [state, reason] = app.isReady() ? ['READY', ''] : ['UNAVAILABLE', 'the service takes no work at the moment'];
    return MODELS.map(({ name, version }) => ({ name, version, state, reason }));
  });
}
