import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { LossmeterError } from '../../errors.ts';

/** Where the build puts the page: at the same place beside the sources and beside their compiled form. */
const BUILT = fileURLToPath(new URL('../../../dashboard/dist/', import.meta.url));

/** The page holds no data: what it shows it asks for, with the key of who looks at it. */
const OPEN = { logLevel: 'warn', config: { scope: 'open' }, schema: { hide: true } } as const;

/** The name of such a file has a digest of its content. */
const KEPT = { cacheControl: true, maxAge: '1y', immutable: true };

/**
 * The dashboard at /. No `fastify-plugin`: the manual has a file server of its own, and each decorates the replies of
 * its own routes only.
 */
export default async function dashboard(app: FastifyInstance, { folder = BUILT }: { folder?: string }): Promise<void> {
  // Each answer says itself how long it may be kept.
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
