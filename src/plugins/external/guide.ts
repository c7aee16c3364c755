import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import type { Config } from '../../config.ts';
import { LossmeterError } from '../../errors.ts';

/** Folder of the built guide. Its relative path is the same from the sources and from the compiled files. */
const BUILT = fileURLToPath(new URL('../../../guide/dist/', import.meta.url));

/** Options of the routes. The auth plugin sets their scope, as for all paths below /docs. */
const HIDDEN = { logLevel: 'warn', schema: { hide: true } } as const;

interface Options {
  config: Pick<Config, 'docs'>;
  folder?: string;
}

/** The guide at /docs/guide. Without `fastify-plugin`, so that the file server only decorates the replies of its own routes. */
export default async function guide(app: FastifyInstance, { config, folder = BUILT }: Options): Promise<void> {
  if (config.docs === 'off') return;
  // The guide can be built while the service runs.
  app.addHook('onRequest', async () => {
    if (existsSync(`${folder}/index.html`)) return;
    throw new LossmeterError('not_found', 'the guide is not built; `npm run build:guide` builds it');
  });
  // File names are the same in every version, so browsers must revalidate them.
  await app.register(fastifyStatic, { root: folder, serve: false, cacheControl: false, suppressWarning: true });
  app.get('/docs/guide', HIDDEN, (request, reply) => {
    // The redirect is relative because a proxy may add a prefix.
    if (!request.url.split('?', 1)[0]!.endsWith('/')) return reply.redirect('guide/');
    return reply.header('cache-control', 'no-cache').sendFile('index.html');
  });
  app.get<{ Params: { '*': string } }>('/docs/guide/*', HIDDEN, (request, reply) =>
    reply.header('cache-control', 'no-cache').sendFile(request.params['*']),
  );
}
