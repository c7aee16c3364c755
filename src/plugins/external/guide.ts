import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import type { Config } from '../../config.ts';
import { LossmeterError } from '../../errors.ts';

/** Folder of the built guide: at the same place beside the sources and beside their compiled form. */
const BUILT = fileURLToPath(new URL('../../../guide/dist/', import.meta.url));

/** The auth plugin sets the scope, as for all paths below /docs. */
const HIDDEN = { logLevel: 'warn', schema: { hide: true } } as const;

interface Options {
  config: Pick<Config, 'docs'>;
  folder?: string;
}

/** The guide at /docs/guide. No `fastify-plugin`: each file server decorates the replies of its own routes only. */
export default async function guide(app: FastifyInstance, { config, folder = BUILT }: Options): Promise<void> {
  if (config.docs === 'off') return;
  // The guide can be built while the service runs.
  app.addHook('onRequest', async () => {
    if (existsSync(`${folder}/index.html`)) return;
    throw new LossmeterError('not_found', 'the guide is not built; `npm run build:guide` builds it');
  });
  // Names of files stay from version to version, so browsers ask each time whether they changed.
  await app.register(fastifyStatic, { root: folder, serve: false, cacheControl: false, suppressWarning: true });
  app.get('/docs/guide', HIDDEN, (request, reply) => {
    // By a relative path: a proxy may have the guide below a prefix.
    if (!request.url.split('?', 1)[0]!.endsWith('/')) return reply.redirect('guide/');
    return reply.header('cache-control', 'no-cache').sendFile('index.html');
  });
  app.get<{ Params: { '*': string } }>('/docs/guide/*', HIDDEN, (request, reply) =>
    reply.header('cache-control', 'no-cache').sendFile(request.params['*']),
  );
}
