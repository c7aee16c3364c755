import type { FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../../config.ts';
import { LossmeterError } from '../../errors.ts';
import { ApiKeys } from '../../keys/api-keys.ts';
import type { ApiKey } from '../../keys/api-keys.ts';
import { suffice } from '../../keys/scopes.ts';
import type { Access } from '../../keys/scopes.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Scope that the route requires; `any` for any valid key, `open` for no key. Every route must declare it. */
    scope?: Access;
  }

  interface FastifyRequest {
    /** Valid key of the request; undefined if the service or the route requires none. */
    key: Pick<ApiKey, 'name' | 'scopes'> | undefined;
  }
}

/**
 * Authorization. Every route declares the scope that it requires, even if the service has no keys. A request is checked by its
 * head: the body of an unauthorized request is not read.
 */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    app.decorateRequest('key', undefined);
    app.addHook('onRoute', (route) => {
      const scope = configuredAccess(route.url, config) ?? route.config?.scope;
      if (scope === undefined) throw new Error(`${String(route.method)} ${route.url} does not say its config.scope`);
      route.config = { ...route.config, scope };
    });
    if (config.apiKeysFile === undefined) return;

    const keys = await openKeys(config.apiKeysFile, app.log);
    app.addHook('onClose', () => keys.close());
    app.addHook('onRequest', async (request, reply) => {
      // 404 only for authenticated callers.
      const access = request.is404 ? 'any' : request.routeOptions.config.scope!;
      if (access === 'open') return;
      const key = authenticate(request, reply, keys, access);
      request.key = key;
      request.log = reply.log = request.log.child({ keyName: key.name });
      if (suffice(key.scopes, access)) return;
      challenge(reply, { error: 'insufficient_scope', scope: access });
      const detail = `the request requires the scope ${access}, but the key ${key.name} has only the scopes [${key.scopes.join(', ')}]`;
      throw new LossmeterError('forbidden', detail);
    });
  },
  { name: 'auth' },
);

/** Access to the routes that the configuration opens or closes. The routes of swagger-ui do not declare a scope themselves. */
function configuredAccess(url: string, { docs, metrics }: Config): Access | undefined {
  if (url === '/metrics') return metrics === 'open' ? 'open' : 'read';
  if (/^\/(?:openapi\.json|docs(?:\/.*)?)$/.test(url)) return docs === 'open' ? 'open' : 'read';
  return undefined;
}

async function openKeys(path: string, log: FastifyRequest['log']): Promise<ApiKeys> {
  try {
    return await ApiKeys.open(path, log);
  } catch (cause) {
    throw new Error(`LOSSMETER_API_KEYS_FILE: ${(cause as Error).message}`, { cause });
  }
}

/** @throws LossmeterError unauthorized when the request has no valid key */
function authenticate(request: FastifyRequest, reply: FastifyReply, keys: ApiKeys, access: Access): ApiKey {
  const presented = presentedKeys(request);
  if (presented.size === 0) {
    challenge(reply);
    const which = access === 'any' ? 'a key' : `a key with the scope ${access}`;
    const detail = `the request has no key, expected ${which} as \`Authorization: Bearer KEY\` or \`X-API-Key: KEY\``;
    throw new LossmeterError('unauthorized', detail);
  }
  const refused = (detail: string): LossmeterError => {
    challenge(reply, { error: 'invalid_token' });
    return new LossmeterError('unauthorized', detail);
  };
  if (presented.size > 1) throw refused('the request has several different keys, expected one');
  const key = keys.find([...presented][0]!);
  if (key === undefined) throw refused('the key is unknown to this service');
  if (Date.now() >= key.expires) {
    throw refused(`the key ${key.name} expired at ${new Date(key.expires).toISOString()}`);
  }
  return key;
}

/** Bearer scheme of Authorization. Other schemes are ignored: they may be for a proxy. */
const BEARER = /^Bearer(?: +(?<key>.*))?$/i;

function presentedKeys({ headers }: FastifyRequest): Set<string> {
  const bearer = BEARER.exec(headers.authorization ?? '');
  const candidates = [bearer === null ? undefined : (bearer.groups?.['key'] ?? ''), headers['x-api-key']];
  return new Set(candidates.filter((candidate) => candidate !== undefined).map(String));
}

/** Sets WWW-Authenticate (RFC 6750, section 3). */
function challenge(reply: FastifyReply, parameters: Record<string, string> = {}): void {
  const said = Object.entries({ realm: 'lossmeter', ...parameters }).map(([name, value]) => `${name}="${value}"`);
  reply.header('www-authenticate', `Bearer ${said.join(', ')}`);
}
