import type { FastifyInstance, HTTPMethods } from 'fastify';
import { LossmeterError } from '../../src/errors.ts';
import { MODELS } from '../../src/inference/models.ts';

/** Paths of the protocol's extensions that this service does not support. */
const NOT_IMPLEMENTED: readonly [method: HTTPMethods[], path: string, what: string][] = [
  [['POST'], '/repository/models/:model/load', 'model loading'],
  [['POST'], '/repository/models/:model/unload', 'model unloading'],
  [['GET', 'POST'], '/trace/setting', 'the trace settings extension'],
  [['GET', 'POST'], '/models/:model/trace/setting', 'the trace settings extension'],
  [['GET', 'POST'], '/logging', 'changing the log settings'],
  ...['systemsharedmemory', 'cudasharedmemory'].flatMap((memory): [HTTPMethods[], string, string][] => [
    [['GET'], `/${memory}/status`, 'shared memory'],
    [['GET'], `/${memory}/region/:region/status`, 'shared memory'],
    [['POST'], `/${memory}/region/:region/register`, 'shared memory'],
    [['POST'], `/${memory}/unregister`, 'shared memory'],
    [['POST'], `/${memory}/region/:region/unregister`, 'shared memory'],
  ]),
];

export default async function others(app: FastifyInstance): Promise<void> {
  const options = { config: { scope: 'any' }, schema: { hide: true } } as const;
  for (const [method, url, what] of NOT_IMPLEMENTED) {
    app.route({
      method,
      url,
      ...options,
      handler() {
        throw new LossmeterError('not_implemented', `${what} is not implemented by this service`);
      },
    });
  }

  app.all<{ Params: { '*': string } }>('/models/*', options, (request, reply) => {
    const [name, versions, version] = request.params['*'].split('/');
    const isModel = MODELS.some(
      (model) => name === model.name && (versions !== 'versions' || version === model.version),
    );
    // The path is unknown, or exists with other methods.
    if (isModel || app.allowedMethods(request).length > 0) return reply.callNotFound();
    throw new LossmeterError(
      'not_found',
      `there is no such model; there are ${MODELS.map((model) => `${model.name} of version ${model.version}`).join(' and ')}`,
    );
  });
}
