import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../../config.ts';
import { LossmeterError } from '../../errors.ts';
import { showValue } from '../../suggestion.ts';
import { readOrigins } from '../external/cors.ts';

/** Methods that neither change nor evaluate anything. They are harmless if the page cannot read the answer. */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Refuses changes and evaluations that a page of another origin requests, unless LOSSMETER_CORS_ORIGINS allows the origin.
 * CORS does not prevent them: browsers send simple requests without a preflight, and only hide the answer from the page.
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
 * True for a request that is not from a page, or from a page of the service itself. Sec-Fetch-Site is checked first, because
 * a proxy may change Host. Browsers omit it over plain HTTP, and old browsers always: then Origin is compared with Host.
 */
function isSameOrigin({ headers }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin' || site === 'none';
  const { origin, host } = headers;
  return (
    origin === undefined || (URL.canParse(origin) && new URL(origin).host === hostWithoutDefaultPort(origin, host))
  );
}

/** Removes the default port from Host: an origin omits it, and Host may contain it. */
function hostWithoutDefaultPort(origin: string, host = ''): string {
  return host.toLowerCase().replace(origin.startsWith('https:') ? /:443$/ : /:80$/, '');
}
