import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { loadConfig } from '../../src/environment.ts';
import { newFolder, writeKeyOfEachScope } from '../keys.ts';
import { Service } from '../service.ts';

const folder = newFolder();
afterAll(() => rmSync(folder, { recursive: true }));
const apiKeysFile = join(folder, 'keys.json');
const keys = writeKeyOfEachScope(apiKeysFile);

const DASH = 'https://dash.example.org';

const preflight = (service: Service, origin: string): Promise<Response> =>
  fetch(`${service.url}/v1/cross-entropy`, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    },
  });

const allowed = ({ headers }: Response): string | null => headers.get('access-control-allow-origin');

describe('without origins', () => {
  const service = Service.start();

  test('no page of another origin may call', async () => {
    expect(allowed(await preflight(service, DASH))).toBeNull();
    expect(allowed(await fetch(`${service.url}/v1/info`, { headers: { origin: DASH } }))).toBeNull();
  });
});

describe('with origins', () => {
  const service = Service.start({ apiKeysFile, corsOrigins: `${DASH}, http://localhost:5173` });

  test('a preflight needs no key', async () => {
    const response = await preflight(service, DASH);
    expect([response.status, allowed(response)]).toEqual([204, DASH]);
    expect(response.headers.get('access-control-allow-methods')).toContain('POST');
    const headers = response.headers.get('access-control-allow-headers')!.split(', ');
    expect(headers).toEqual(expect.arrayContaining(['authorization', 'x-api-key', 'content-type', 'content-encoding']));
  });

  test('what follows needs one, and refusals can be read', async () => {
    const call = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${service.url}/v1/info`, { headers: { origin: 'http://localhost:5173', ...headers } });
    const refused = await call({});
    expect([refused.status, allowed(refused)]).toEqual([401, 'http://localhost:5173']);
    const answered = await call({ authorization: `Bearer ${keys.read}` });
    expect([answered.status, allowed(answered)]).toEqual([200, 'http://localhost:5173']);
    expect(answered.headers.get('access-control-expose-headers')).toContain('server-timing');
    expect(answered.headers.get('vary')).toContain('Origin');
  });

  test.each(['https://evil.example.org', 'http://dash.example.org', `${DASH}.evil.org`, 'null'])(
    'not for %s',
    async (origin) => {
      expect(allowed(await preflight(service, origin))).toBeNull();
    },
  );
});

describe('with any origin', () => {
  const service = Service.start({ corsOrigins: '*' });

  test('all may', async () => {
    expect(allowed(await preflight(service, 'https://whoever.example'))).toBe('*');
  });
});

test.each(['dash.example.org', `${DASH}/`, `${DASH}/x`, `${DASH},`, 'https://*.example.org:x', 'ftp://example.org'])(
  '%s is no list of origins',
  async (corsOrigins) => {
    await expect(buildApp({ config: { ...loadConfig({ LOSSMETER_STORE: ':memory:' }), corsOrigins } })).rejects.toThrow(
      'LOSSMETER_CORS_ORIGINS has',
    );
  },
);
