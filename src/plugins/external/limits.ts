import rateLimit, { normalizeIP } from '@fastify/rate-limit';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { LossmeterError } from '../../errors.ts';
import { PROBES } from '../app/lifecycle.ts';

/** Routes of probes and of the metrics, which do not count towards the limit. */
const UNCOUNTED = new Set([...PROBES, '/metrics']);

/** Limit of requests per minute for each key, or for each address when no key is required. */
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
    // The hook is on the whole service instead of its routes, so that unknown paths count too.
    app.addHook('onRequest', app.rateLimit());
  },
  // The auth plugin sets the key of a request.
  { name: 'limits', dependencies: ['auth'] },
);

/** Name of the client to which a limit applies. An IPv6 /64 counts as one client; a Unix socket has no address. */
export function clientOf({ key, ip }: FastifyRequest): string {
  if (key !== undefined) return `the key ${key.name}`;
  return (ip as string | undefined) === undefined ? 'this socket' : `the address ${normalizeIP(ip)}`;
}
