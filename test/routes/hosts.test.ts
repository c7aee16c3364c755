import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { newFolder, writeKeyOfEachScope } from '../keys.ts';
import { exchange } from '../raw-http.ts';
import { Service, testConfig } from '../service.ts';

const folder = newFolder();
afterAll(() => rmSync(folder, { recursive: true }));
const apiKeysFile = join(folder, 'keys.json');
const keys = writeKeyOfEachScope(apiKeysFile);

/** Sends a request head. @returns status, media type and problem */
async function ask(service: Service, ...lines: string[]) {
  const { status, headers, body } = await exchange(service.url, [Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)]);
  return {
    status,
    type: headers['content-type'],
    body: JSON.parse(body.toString()) as { code: string; detail: string },
  };
}

const PROBLEM = 'application/problem+json';

const local = Service.start();
const named = Service.start({ allowedHosts: 'gpu-1.example.org, [fe80::1]' });
const keyed = Service.start({ apiKeysFile });
// The configured host decides, although the test service listens on loopback.
const open = Service.start({ host: '0.0.0.0' });

describe('on loopback without keys', () => {
  test.each(['localhost', 'localhost:8080', 'LocalHost.', '127.0.0.1', '127.1.2.3:9', '[::1]', '[::1]:8080'])(
    'the host %s is answered',
    async (host) => {
      expect((await ask(local, 'GET /v1/info HTTP/1.1', `Host: ${host}`)).status).toBe(200);
    },
  );

  test.each([
    ...['evil.example', 'evil.example:8080', 'localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.1', '0.0.0.0'],
    ...['[::2]', '', 'localhost, evil.example', 'evil.example/localhost', 'gpu-1.example.org'],
  ])('the host %j is refused', async (host) => {
    for (const path of ['/v1/info', '/livez', '/nowhere']) {
      const { status, type, body } = await ask(local, `GET ${path} HTTP/1.1`, `Host: ${host}`);
      expect([status, type, body.code]).toEqual([403, PROBLEM, 'host_not_allowed']);
      expect(body.detail).toContain(JSON.stringify(host));
      expect(body.detail).toContain('LOSSMETER_ALLOWED_HOSTS');
    }
  });

  test.each(['gpu-1.example.org', 'GPU-1.example.org:80', '[fe80::1]:8080', 'localhost'])(
    'the host %s is answered where it is configured',
    async (host) => {
      expect((await ask(named, 'GET /v1/info HTTP/1.1', `Host: ${host}`)).status).toBe(200);
    },
  );

  test('a host after an allowed one is judged too', async () => {
    for (const host of ['localhost', 'evil.example', 'localhost', 'evil.example']) {
      const { status } = await ask(named, 'GET /v1/info HTTP/1.1', `Host: ${host}`);
      expect(status).toBe(host === 'localhost' ? 200 : 403);
    }
  });
});

test('any host is answered with keys, and on other addresses', async () => {
  for (const service of [keyed, open]) {
    const lines = ['Host: dash.example.org', `Authorization: Bearer ${keys.read}`];
    expect((await ask(service, 'GET /v1/info HTTP/1.1', ...lines)).status).toBe(200);
  }
});

describe.each([
  ['on loopback', local],
  ['on other addresses', open],
])('%s', (_, service) => {
  test('HTTP/1.1 without Host is a problem', async () => {
    const { status, type, body } = await ask(service, 'GET /livez HTTP/1.1');
    expect([status, type, body.code]).toEqual([400, PROBLEM, 'bad_request']);
    expect(body.detail).toContain('has no Host');
  });

  test('HTTP/1.0 needs no Host', async () => {
    expect((await ask(service, 'GET /livez HTTP/1.0')).status).toBe(200);
  });

  test('two lines of Host are a problem', async () => {
    for (const second of ['localhost', 'evil.example']) {
      const { status, type, body } = await ask(service, 'GET /livez HTTP/1.1', 'Host: localhost', `hOST: ${second}`);
      expect([status, type, body.code]).toEqual([400, PROBLEM, 'bad_request']);
      expect(body.detail).toContain('2 lines of Host');
    }
  });

  test('an Expect that HTTP does not have is a problem', async () => {
    const { status, type, body } = await ask(
      service,
      ...['POST /v1/cross-entropy HTTP/1.1', 'Host: localhost', 'Expect: other', 'Content-Length: 10'],
    );
    expect([status, type, body.code]).toEqual([417, PROBLEM, 'expectation_failed']);
    expect(body.detail).toContain('Expect is "other", expected 100-continue');
  });

  test('CONNECT is a problem', async () => {
    const { status, type, body } = await ask(service, 'CONNECT example.org:443 HTTP/1.1', 'Host: example.org:443');
    expect([status, type, body.code]).toEqual([501, PROBLEM, 'not_implemented']);
  });
});

test.each(['gpu-1:8080', 'https://gpu-1', 'a b', 'a,,b', '*'])('%s is no list of hosts', async (allowedHosts) => {
  await expect(buildApp({ config: testConfig({ allowedHosts }) })).rejects.toThrow('LOSSMETER_ALLOWED_HOSTS has');
});
