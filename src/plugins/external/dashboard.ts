import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { LossmeterError } from '../../errors.ts';

/** Folder of the built dashboard. Its relative path is the same from the sources and from the compiled files. */
const BUILT = fileURLToPath(new URL('../../../dashboard/dist/', import.meta.url));

/** Access to the page, which contains no data. It requests data with the key of its user. */
const OPEN = { logLevel: 'warn', config: { scope: 'open' }, schema: { hide: true } } as const;

/** Caching of files whose names contain a digest of their content. */
const KEPT = { cacheControl: true, maxAge: '1y', immutable: true };

/**
 * The dashboard at /. Without `fastify-plugin`, because the API documentation has its own file server, and each file server may
 * only decorate the replies of its own routes.
 */
export default async function dashboard(app: FastifyInstance, { folder = BUILT }: { folder?: string }): Promise<void> {
  // Each answer sets its own Cache-Control.
  await app.register(fastifyStatic, { root: folder, serve: false, cacheControl: false, suppressWarning: true });
  app.get('/', OPEN, (_request, reply) => {
    // The dashboard can be built while the service runs.
    if (existsSync(`${folder}/index.html`)) return reply.header('cache-control', 'no-cache').sendFile('index.html');
    throw new LossmeterError('not_found', 'the dashboard is not built; `npm run build:dashboard` builds it');
  });
  app.get<{ Params: { '*': string } }>('/assets/*', OPEN, (request, reply) =>
    reply.sendFile(`assets/${request.params['*']}`, KEPT),
  );
}
