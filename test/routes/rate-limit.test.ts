import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { loadConfig } from '../../src/environment.ts';
import { newFolder, writeKeyOfEachScope } from '../keys.ts';
import { Service } from '../service.ts';

const REQUEST = { logits: [[0, 0]], label: [1] };

describe('without keys', () => {
  const service = Service.start({ maxRequestsPerMinute: 3 });

  test('probes and metrics do not count; all else does, by the address, until the minute is over', async () => {
    for (const path of ['/livez', '/readyz', '/v2/health/live', '/v2/health/ready', '/metrics', '/livez/']) {
      const response = await service.get(path);
      expect([response.status, response.headers.get('ratelimit-limit')], path).toEqual([200, null]);
    }

    const first = await service.post(REQUEST);
    expect(first.status).toBe(200);
    expect(Object.fromEntries(first.headers)).toMatchObject({ 'ratelimit-limit': '3', 'ratelimit-remaining': '2' });
    expect(first.headers.has('retry-after')).toBe(false);
    // Refused requests and unknown paths also count.
    expect((await service.post('{')).status).toBe(400);
    const missing = await service.get('/nothing');
    expect([missing.status, missing.headers.get('ratelimit-remaining')]).toEqual([404, '0']);

    const { status, type, headers, body } = await service.post(REQUEST);
    expect([status, type, body.code]).toEqual([429, 'application/problem+json', 'rate_limited']);
    expect(body.detail).toMatch(
      /^the address 127\.0\.0\.1 has reached its limit of 3 requests a minute; repeat the request in \d+ s$/,
    );
    expect(headers.get('ratelimit-remaining')).toBe('0');
    const retryAfter = Number(headers.get('retry-after'));
    expect(retryAfter).toBeGreaterThan(50);
    expect(retryAfter).toBeLessThanOrEqual(60);
    expect(headers.get('ratelimit-reset')).toBe(String(retryAfter));

    const inference = await service.get('/v2');
    expect([inference.status, inference.headers.get('content-type')]).toEqual([429, 'application/json']);
    expect(await inference.json()).toMatchObject({ code: 'rate_limited', error: expect.any(String) as string });
    expect(inference.headers.get('retry-after')).toBe(String(retryAfter));

    expect((await service.get('/readyz')).status).toBe(200);
    expect(await (await service.get('/metrics')).text()).toContain('refused_total{code="rate_limited"} 2\n');
  });
});

describe('with keys', () => {
  const folder = newFolder();
  afterAll(() => rmSync(folder, { recursive: true }));
  const apiKeysFile = join(folder, 'keys.json');
  const keys = writeKeyOfEachScope(apiKeysFile);
  const service = Service.start({ apiKeysFile, maxRequestsPerMinute: 1 });

  const infoWith = (headers: Record<string, string>) => fetch(`${service.url}/v1/info`, { headers });

  test('each key has its own count, and who has none uses up nobody’s', async () => {
    for (let k = 0; k < 3; k++) expect((await infoWith({})).status).toBe(401);
    expect((await infoWith({ 'x-api-key': keys.read })).status).toBe(200);
    expect((await infoWith({ 'x-api-key': keys.admin })).status).toBe(200);
    const limited = await infoWith({ 'x-api-key': keys.read });
    expect(limited.status).toBe(429);
    expect(await limited.json()).toMatchObject({
      code: 'rate_limited',
      detail: expect.stringMatching(/^the key read has reached its limit of 1 requests a minute/) as string,
    });
  });
});

test('what comes over a Unix socket has one count: it has no address', async () => {
  const folder = newFolder();
  const socketPath = join(folder, 'socket');
  const app = await buildApp({
    config: { ...loadConfig({ LOSSMETER_STORE: ':memory:' }), workers: 1, maxRequestsPerMinute: 1 },
  });
  onTestFinished(async () => {
    await app.close();
    rmSync(folder, { recursive: true });
  });
  await app.listen({ path: socketPath });
  const statuses = [];
  for (let k = 0; k < 2; k++) {
    const [response] = (await once(get({ socketPath, path: '/v1/info' }), 'response')) as [IncomingMessage];
    statuses.push(response.resume().statusCode);
  }
  expect(statuses).toEqual([200, 429]);
});

describe('without a limit', () => {
  const service = Service.start();

  test('nothing is counted', async () => {
    const { headers } = await service.post(REQUEST);
    expect([...headers.keys()].filter((name) => name.startsWith('ratelimit'))).toEqual([]);
  });
});
