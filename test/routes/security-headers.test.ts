import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { loadConfig } from '../../src/environment.ts';
import { Service } from '../service.ts';

const service = Service.start();

test.each(['/v1/info', '/docs/', '/docs/static/swagger-ui.css', '/nothing', '/v2/nothing', '/livez'])(
  '%s has headers for browsers',
  async (path) => {
    const { headers } = await service.get(path);
    expect(headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-frame-options')).toBe('SAMEORIGIN');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
  },
);

test('whether there is TLS, the proxy says', async () => {
  const { headers } = await service.get('/v1/info');
  expect(headers.get('strict-transport-security')).toBeNull();
  expect(headers.get('content-security-policy')).not.toContain('upgrade-insecure-requests');
});

test('an answer has no stack and no path of this machine, even when the service fails', async () => {
  const app = await buildApp({ config: { ...loadConfig({ LOSSMETER_STORE: ':memory:' }), workers: 1 } });
  onTestFinished(() => app.close());
  for (const path of ['/fails', '/v2/fails']) {
    app.get(path, { config: { scope: 'open' } }, () => {
      throw Object.assign(new Error('no such file /etc/secret'), { path: '/etc/secret' });
    });
  }
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  for (const path of ['/fails', '/v2/fails', '/nothing', '/%ff', '/docs/static/../../package.json']) {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    expect(response.status).toBe(path.endsWith('fails') ? 500 : path === '/%ff' ? 400 : 404);
    const text = await response.text();
    expect(text).not.toMatch(/secret|stack|node_modules|\\n *at |\/(?:src|home|work)\//);
    expect(text).toContain('urn:uuid:');
  }
});
