import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Fastify from 'fastify';
import type { FastifyInstance } from 'fastify';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import guide from '../../src/plugins/external/guide.ts';
import { serveSite } from '../built-site.ts';
import { newFolder, writeKeyOfEachScope } from '../keys.ts';
import { Service } from '../service.ts';

const serve = (files: Record<string, string>): Promise<FastifyInstance> =>
  serveSite(files, (app, folder) => app.register(guide, { config: { docs: 'open' }, folder }));

const BUILT = {
  'dist/index.html': '<!doctype html>',
  'dist/adr/index.html': '<!doctype html><title>Decisions',
  'dist/guide.js': 'var guide;',
  'secret.txt': 'not for you',
};

test('its address leads to its folder, below any prefix', async () => {
  const { statusCode, headers } = await (await serve(BUILT)).inject('/docs/guide');
  expect([statusCode, headers.location]).toEqual([302, 'guide/']);
});

test.each([
  ['/docs/guide/', 'text/html; charset=utf-8'],
  ['/docs/guide/index.html', 'text/html; charset=utf-8'],
  ['/docs/guide/adr/index.html', 'text/html; charset=utf-8'],
  ['/docs/guide/guide.js', 'application/javascript; charset=utf-8'],
])('%s is served, and asked for anew each time', async (url, type) => {
  const app = await serve(BUILT);
  const { statusCode, headers } = await app.inject(url);
  expect([statusCode, headers['content-type'], headers['cache-control']]).toEqual([200, type, 'no-cache']);
  const unchanged = await app.inject({ url, headers: { 'if-none-match': headers.etag as string } });
  expect(unchanged.statusCode).toBe(304);
});

test.each(['/docs/guide/gone.html', '/docs/guide/../../secret.txt', '/docs/guide/..%2f..%2fsecret.txt'])(
  '%s does not exist',
  async (path) => {
    const { statusCode, body } = await (await serve(BUILT)).inject(path);
    expect([400, 404]).toContain(statusCode);
    expect(body).not.toContain('not for you');
    expect(body).toContain('"code":');
  },
);

test.each(['/docs/guide', '/docs/guide/', '/docs/guide/runs.html'])(
  '%s of a guide that was not built says how to build it',
  async (path) => {
    const response = await (await serve({})).inject(path);
    expect([response.statusCode, response.headers['content-type']]).toEqual([404, 'application/problem+json']);
    expect(response.json()).toMatchObject({
      code: 'not_found',
      detail: 'the guide is not built; `npm run build:guide` builds it',
    });
  },
);

test('a guide that is built while the service runs is served', async () => {
  const root = newFolder();
  onTestFinished(() => rmSync(root, { recursive: true }));
  const app = Fastify();
  await app.register(guide, { config: { docs: 'open' }, folder: join(root, 'dist') });
  expect((await app.inject('/docs/guide/')).statusCode).toBe(404);
  mkdirSync(join(root, 'dist'));
  writeFileSync(join(root, 'dist/index.html'), '<!doctype html>');
  expect((await app.inject('/docs/guide/')).statusCode).toBe(200);
});

describe('access is that of /docs', () => {
  const folder = newFolder();
  afterAll(() => rmSync(folder, { recursive: true }));
  const apiKeysFile = join(folder, 'keys.json');
  const keys = writeKeyOfEachScope(apiKeysFile);
  const services = {
    open: Service.start({ apiKeysFile, docs: 'open' }),
    keyed: Service.start({ apiKeysFile, docs: 'keyed' }),
    off: Service.start({ docs: 'off' }),
  };
  const statusOf = async (kind: keyof typeof services, path: string, key = ''): Promise<number> => {
    const headers = key === '' ? {} : { 'x-api-key': key };
    return (await fetch(services[kind].url + path, { headers })).status;
  };

  test.each(['/docs/guide', '/docs/guide/', '/docs/guide/runs.html'])('%s', async (path) => {
    expect(await statusOf('open', path)).not.toBe(401);
    expect(await statusOf('keyed', path)).toBe(401);
    expect(await statusOf('keyed', path, keys.evaluate)).toBe(403);
    // 404 where the guide is not built.
    expect([200, 404]).toContain(await statusOf('keyed', path, keys.read));
    expect(await statusOf('off', path)).toBe(404);
  });
});
