import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { FastifyInstance, RouteOptions } from 'fastify';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { loadConfig } from '../../src/environment.ts';
import type { Config } from '../../src/config.ts';
import { SCOPES } from '../../src/keys/scopes.ts';
import type { Access, Scope } from '../../src/keys/scopes.ts';
import { createSecret } from '../../src/keys/secret.ts';
import { entryOf, newFolder, writeKeyOfEachScope } from '../keys.ts';
import { partOf } from '../lists.ts';
import { readDocument } from '../openapi-document.ts';
import { JSON_TYPE, Service, encodeRequest } from '../service.ts';

const folder = newFolder();
afterAll(() => rmSync(folder, { recursive: true }));
const apiKeysFile = join(folder, 'keys.json');
const expired = createSecret();
const both = createSecret();
const keys = writeKeyOfEachScope(
  apiKeysFile,
  entryOf('expired', expired, { expires: '2026-01-02T00:00:00Z' }),
  entryOf('both', both, { scopes: ['evaluate', 'read'] }),
);

/** Every route, including routes that the manual hides. */
const routes: RouteOptions[] = [];
const collect = (message: unknown): void => {
  const { fastify } = message as { fastify: FastifyInstance };
  fastify.addHook('onRoute', (route) => {
    routes.push(route);
  });
  unsubscribe('fastify.initialization', collect);
};
subscribe('fastify.initialization', collect);

const service = Service.start({ apiKeysFile, dataDir: folder });

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

async function call(method: string, path: string, headers: Record<string, string> = {}) {
  const url = service.url + path.replaceAll(/\{\w+\}|:\w+|\*/g, 'x');
  const response = await fetch(url, { method, headers });
  const text = await response.text();
  const code = /"code":"(\w+)"/.exec(text)?.[1];
  return { status: response.status, challenge: response.headers.get('www-authenticate'), code, text };
}

interface Operation {
  operationId: string;
  security?: Record<string, Access[]>[];
  responses: Record<string, unknown>;
}

const { paths } = readDocument() as {
  paths: Record<string, Record<string, Operation>>;
};
const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
);

/** Scope of an operation in the manual. */
function documentedAccess({ operationId, security }: Operation): Access {
  expect(security, `${operationId} does not say its scope`).toBeDefined();
  if (security!.length === 0) return 'open';
  const [scopes, ...others] = ['bearerAuth', 'apiKeyAuth'].map((scheme, k) => security![k]![scheme]!.join(' '));
  expect(others).toEqual([scopes]);
  return (scopes || 'any') as Access;
}

/** Calls without a key, with wrong keys and with each scope, and expects the answers that the access requires. */
async function expectAccess(method: string, path: string, access: Access): Promise<void> {
  const passes = async (headers: Record<string, string>): Promise<void> => {
    const { code, status } = await call(method, path, headers);
    expect([401, 403], `${method} ${path} ${code}`).not.toContain(status);
  };
  if (access === 'open') {
    await passes({});
    await passes(bearer('wrong'));
    return;
  }
  const hasBody = method !== 'HEAD';
  for (const headers of [{}, bearer('wrong'), { 'x-api-key': 'wrong' }]) {
    const { status, code } = await call(method, path, headers);
    expect([status, code]).toEqual([401, hasBody ? 'unauthorized' : undefined]);
  }
  for (const scope of SCOPES) {
    if (access === 'any' || access === scope || scope === 'admin') {
      await passes(bearer(keys[scope]));
      await passes({ 'x-api-key': keys[scope] });
    } else {
      const { status, code } = await call(method, path, bearer(keys[scope]));
      expect([status, code]).toEqual([403, hasBody ? 'forbidden' : undefined]);
    }
  }
}

describe('every operation takes the scope that the manual says', () => {
  test.each(partOf(operations, 5))('$operation.operationId', async ({ method, path, operation }) => {
    const access = documentedAccess(operation);
    await expectAccess(method, path, access);
    const refusals = Object.keys(operation.responses).filter((status) => ['401', '403'].includes(status));
    // Pages of other origins get a 403 also from operations that require no key.
    expect(refusals).toEqual(access === 'open' ? ['403'] : ['401', '403']);
  });

  test('which is none for probes only, and `evaluate` for what computes', () => {
    const idsOf = (access: Access): string[] =>
      operations.flatMap(({ operation }) => (documentedAccess(operation) === access ? [operation.operationId] : []));
    expect(idsOf('open').toSorted()).toEqual(
      [
        ...['getLiveness', 'getReadiness', 'getServerLive', 'getServerReady'],
        ...['getModelReady', 'getModelVersionReady'],
        ...['getModelKlDivergenceReady', 'getModelKlDivergenceVersionReady'],
      ].toSorted(),
    );
    expect(idsOf('evaluate')).toEqual(
      expect.arrayContaining([
        'evaluateCrossEntropy',
        'evaluatePartial',
        'combinePartials',
        'infer',
        'inferVersion',
        'compareLogits',
      ]),
    );
  });
});

test('routes that the manual hides, and those for HEAD, take the scope that they say', async () => {
  const undocumented = routes.flatMap(({ method, url, config, schema }) => {
    const isHidden = schema?.hide === true;
    const methods = [method].flat().filter((method) => isHidden || method === 'HEAD');
    return methods.map((method) => ({ method, url, access: config?.scope }));
  });
  expect(undocumented.length).toBeGreaterThan(operations.length);
  for (const { method, url, access } of partOf(undocumented, 5)) {
    if (access === undefined) throw new Error(`${method} ${url} says no scope`);
    if (['GET', 'HEAD', 'POST', 'DELETE'].includes(method)) await expectAccess(method, url, access);
  }
});

test('a route that says no scope is not registered', async () => {
  const app = await buildApp({ config: { ...loadConfig({ LOSSMETER_STORE: ':memory:' }), workers: 1 } });
  onTestFinished(() => app.close());
  expect(() => app.get('/forgotten', () => 'x')).toThrow('GET /forgotten does not say its config.scope');
});

describe('a refusal says what would do', () => {
  const path = '/v1/cross-entropy';

  test('without a key', async () => {
    const { challenge, text } = await call('POST', path);
    expect(challenge).toBe('Bearer realm="lossmeter"');
    expect(text).toContain(
      'the request has no key, expected a key with the scope evaluate as `Authorization: Bearer KEY` or `X-API-Key: KEY`',
    );
  });

  test.each([
    [{ authorization: 'Bearer lm_wrong' }, 'the key is unknown to this service'],
    [{ authorization: 'Bearer' }, 'the key is unknown to this service'],
    [{ 'x-api-key': '' }, 'the key is unknown to this service'],
    [bearer(expired), 'the key expired expired at 2026-01-02T00:00:00.000Z'],
    [{ ...bearer(keys.evaluate), 'x-api-key': keys.admin }, 'the request has several different keys'],
  ])('with a key that is not valid: %j', async (headers, says) => {
    const { status, challenge, text } = await call('POST', path, headers);
    expect([status, challenge]).toEqual([401, 'Bearer realm="lossmeter", error="invalid_token"']);
    expect(text).toContain(says);
    for (const value of Object.values(headers)) if (value !== '') expect(text).not.toContain(value.split(' ').at(-1)!);
  });

  test('with a key of another scope', async () => {
    const { challenge, text } = await call('POST', path, bearer(keys.read));
    expect(challenge).toBe('Bearer realm="lossmeter", error="insufficient_scope", scope="evaluate"');
    expect(text).toContain('the request requires the scope evaluate, but the key read has only the scopes [read]');
  });

  test('under /v2 in its own form', async () => {
    const { status, challenge, text } = await call('POST', '/v2/models/cross_entropy/infer');
    expect([status, challenge]).toEqual([401, 'Bearer realm="lossmeter"']);
    expect(JSON.parse(text)).toEqual({
      error: expect.stringContaining('expected a key with the scope evaluate') as string,
      code: 'unauthorized',
      instance: expect.stringMatching(/^urn:uuid:/) as string,
    });
  });
});

describe('a key is taken', () => {
  test.each([
    [{ authorization: `bearer ${keys.evaluate}` }],
    [{ authorization: `BEARER   ${keys.evaluate}` }],
    [{ 'X-API-Key': keys.evaluate }],
    [{ ...bearer(keys.evaluate), 'x-api-key': keys.evaluate }],
    // Basic credentials may belong to a proxy.
    [{ authorization: 'Basic dTpw', 'x-api-key': keys.evaluate }],
    [bearer(both)],
    [bearer(keys.admin)],
  ])('%#', async (headers) => {
    const { status } = await service.post({ logits: [[0, 0]], label: [1] }, { headers });
    expect(status).toBe(200);
  });

  test('and not one in the query', async () => {
    expect(await call('GET', `/v1/info?api_key=${keys.admin}`)).toMatchObject({ status: 401 });
  });
});

test.each([
  ['GET', '/v1/nothing', 'not_found'],
  ['DELETE', '/v1/cross-entropy', 'method_not_allowed'],
  ['GET', '/v2/nothing', 'not_found'],
])('what is not there, %s %s, is told to those who have a key', async (method, path, code) => {
  expect(await call(method, path)).toMatchObject({ status: 401, code: 'unauthorized' });
  expect(await call(method, path, bearer(keys.record))).toMatchObject({ code });
});

test('a refusal comes before the body does', async () => {
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.write(
    'POST /v1/cross-entropy HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n',
  );
  const [data] = (await once(socket, 'data')) as [Buffer];
  expect(data.toString()).toMatch(/^HTTP\/1.1 401 [\s\S]*"code":"unauthorized"/);
});

const SURFACES = ['/openapi.json', '/docs', '/docs/', '/docs/json', '/docs/static/swagger-ui.css', '/metrics'];

describe.each<[Config['docs'], Record<string, number>]>([
  ['open', { none: 200, evaluate: 200, read: 200 }],
  ['keyed', { none: 401, evaluate: 403, read: 200 }],
  ['off', { none: 401, evaluate: 404, read: 404 }],
])('docs and metrics that are %s', (access, expected) => {
  const service = Service.start({ apiKeysFile, docs: access, metrics: access });

  test.each(SURFACES)('%s', async (path) => {
    for (const [who, status] of Object.entries(expected)) {
      const headers: Record<string, string> = who === 'none' ? {} : bearer(keys[who as Scope]);
      const response = await fetch(service.url + path, { headers });
      await response.text();
      expect(response.status, who).toBe(status);
    }
  });

  test('are named in a 404 where they are', async () => {
    const response = await fetch(`${service.url}/nothing`, { headers: bearer(keys.read) });
    expect((await response.text()).includes('/docs')).toBe(access !== 'off');
  });
});

describe('without keys', () => {
  const service = Service.start({ docs: 'keyed', metrics: 'keyed' });

  test.each([...SURFACES, '/v1/info', '/v2'])('%s is open', async (path) => {
    for (const headers of [{}, bearer('whatever')]) {
      const response = await fetch(service.url + path, { headers: headers as Record<string, string> });
      await response.text();
      expect(response.status).toBe(200);
    }
  });
});

describe('the log', () => {
  /** Recognisable numbers of tensors, which occur nowhere else. */
  const [secretLogit, secretLabel] = [1234.5678, 31_337];

  async function withLog(act: (url: string) => Promise<void>): Promise<string> {
    let log = '';
    const write = (line: string): void => {
      log += line;
    };
    const config = { ...loadConfig({ LOSSMETER_STORE: ':memory:' }), workers: 1, apiKeysFile };
    const app = await buildApp({ config, logger: { level: 'trace', stream: { write } } });
    await app.listen({ host: '127.0.0.1', port: 0 });
    await act(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`);
    await app.close();
    return log;
  }

  function expectNoSecrets(log: string): void {
    for (const secret of [...Object.values(keys), expired, 'lm_wrong', String(secretLogit)]) {
      expect(log).not.toContain(secret);
      // Buffers are logged as lists of numbers.
      expect(log).not.toContain([...Buffer.from(secret)].join(','));
    }
  }

  test('has the names of keys, and neither keys nor tensors, whatever comes', async () => {
    const request = { label: [0], logits: [[secretLogit, 0]] };
    const broken = `${JSON.stringify(request).slice(0, -1)},`;
    const log = await withLog(async (url) => {
      const post = async (headers: Record<string, string>, body: string, path = '/v1/cross-entropy') =>
        (await fetch(url + path, { method: 'POST', headers: { 'content-type': JSON_TYPE, ...headers }, body })).status;
      const body = encodeRequest(request, JSON_TYPE) as string;
      const outOfRange = JSON.stringify({ ...request, label: [secretLabel] });
      expect(await post(bearer(keys.evaluate), body)).toBe(200);
      expect(await post({ 'x-api-key': keys.evaluate }, body)).toBe(200);
      expect(await post(bearer(keys.evaluate), outOfRange)).toBe(422);
      expect(await post(bearer(keys.evaluate), broken)).toBe(400);
      expect(await post(bearer(keys.evaluate), broken, '/v2/models/cross_entropy/infer')).toBe(400);
      expect(await post(bearer(keys.evaluate), body, '/nothing')).toBe(404);
      expect(await post(bearer(keys.read), body)).toBe(403);
      expect(await post(bearer(expired), body)).toBe(401);
      expect(await post(bearer('lm_wrong'), body)).toBe(401);
    });
    expectNoSecrets(log);
    expect(log).toContain('"keyName":"evaluate"');
    expect(log).toContain('"keyName":"read"');
    // Refusals log the place of a value, but not the value.
    expect(log).toContain('"code":"invalid_label","at":["/label/data/0"]');
    expect(log).not.toContain(String(secretLabel));
  });

  test('has nothing of what is no HTTP, or breaks off', async () => {
    const head = `POST /v1/cross-entropy HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${keys.evaluate}\r\n`;
    const type = `Content-Type: ${JSON_TYPE}\r\n`;
    const log = await withLog(async (url) => {
      for (const text of [
        `${head}no header\r\n\r\n`,
        `${head}${type}Content-Length: x\r\n\r\n`,
        `${head}${type}Transfer-Encoding: chunked\r\n\r\nzz\r\n${secretLogit}`,
        `${head}${type}Content-Length: 1000\r\n\r\n{"logits": [[${secretLogit}`,
        `${head}X: ${'y'.repeat(100_000)}`,
      ]) {
        const socket = connect(Number(new URL(url).port), '127.0.0.1');
        socket.on('error', () => undefined);
        socket.write(text);
        await new Promise((resolve) => setTimeout(resolve, 100));
        socket.destroy();
      }
    });
    expect(log).toContain('incoming request');
    expectNoSecrets(log);
  });
});
