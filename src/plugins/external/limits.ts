import rateLimit, { normalizeIP } from '@fastify/rate-limit';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { LossmeterError } from '../../errors.ts';
import { PROBES } from '../app/lifecycle.ts';

/** Routes of probes and scrapers, which do not count. */
const UNCOUNTED = new Set([...PROBES, '/metrics']);

/** So many requests a minute for each key; where none is needed, for each address. */
export default fp<{ maxRequestsPerMinute: number }>(
  async (app, { maxRequestsPerMinute }) => {
    await app.register(rateLimit, {
      global: false,
      max: maxRequestsPerMinute,
      timeWindow: 60_000,
      enableDraftSpec: true,
      keyGenerator: clientOf,
      allowList: (request) => UNCOUNTED.has(request.routeOptions.url ?? ''),
      errorResponseBuilder: (request, { max, ttl }) => {
        const seconds = Math.ceil(ttl / 1000);
        const detail = `${clientOf(request)} has reached its limit of ${max} requests a minute; repeat the request in ${seconds} s`;
        return new LossmeterError('rate_limited', detail);
      },
    });
    // For the whole service, and not for its routes: unknown paths count too.
    app.addHook('onRequest', app.rateLimit());
  },
  // Whose request it is has to be known.
  { name: 'limits', dependencies: ['auth'] },
);

/** The client that a limit is of. A host has its whole /64 of IPv6; a Unix socket has no address. */
export function clientOf({ key, ip }: FastifyRequest): string {
  if (key !== undefined) return `the key ${key.name}`;
  return (ip as string | undefined) === undefined ? 'this socket' : `the address ${normalizeIP(ip)}`;
}
