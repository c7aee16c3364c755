import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../../config.ts';
import { LossmeterError } from '../../errors.ts';
import { showValue } from '../../suggestion.ts';
import { readOrigins } from '../external/cors.ts';

/** Methods that change nothing and evaluate nothing. A page that may not read the answer learns nothing by them. */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Refuses what a page of another origin would change or have evaluated, unless LOSSMETER_CORS_ORIGINS allows its origin:
 * browsers send simple requests without asking, and only keep the answer from the page.
 */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const allowed = new Set(config.corsOrigins === undefined ? [] : readOrigins(config.corsOrigins));
    app.addHook('onRequest', (request, _reply, done) => {
      const { origin } = request.headers;
      if (SAFE_METHODS.has(request.method) || isSameOrigin(request) || allowed.has('*') || allowed.has(origin ?? '')) {
        return done();
      }
      const from = origin === undefined ? 'a page of another site' : `a page of the origin ${showValue(origin)}`;
      const detail = `${request.method} ${request.url.split('?', 1)[0]} comes from ${from}, expected this service's own origin, or one that LOSSMETER_CORS_ORIGINS names`;
      done(new LossmeterError('origin_not_allowed', detail));
    });
  },
  { name: 'origins' },
);

/**
 * True for what no page sends, or one of the service itself. Browsers tell by Sec-Fetch-Site, whatever Host a proxy makes
 * of theirs; those that do not, and pages over plain HTTP, tell by Origin.
 */
function isSameOrigin({ headers }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin' || site === 'none';
  const { origin, host } = headers;
  return (
    origin === undefined || (URL.canParse(origin) && new URL(origin).host === hostWithoutDefaultPort(origin, host))
  );
}

/** Origins have no default port, and Host may have it. */
function hostWithoutDefaultPort(origin: string, host = ''): string {
  return host.toLowerCase().replace(origin.startsWith('https:') ? /:443$/ : /:80$/, '');
}
