import type { FastifyInstance } from 'fastify';
import { expect, test } from 'vitest';
import dashboard from '../../src/plugins/external/dashboard.ts';
import { serveSite } from '../built-site.ts';

const serve = (files: Record<string, string>): Promise<FastifyInstance> =>
  serveSite(files, (app, folder) => app.register(dashboard, { folder }));

const BUILT = {
  'dist/index.html': '<!doctype html>',
  'dist/assets/index-abc.js': 'export {};',
  'secret.txt': 'not for you',
};

test('the page is asked for anew each time, its files are kept', async () => {
  const app = await serve(BUILT);
  const page = await app.inject('/');
  expect([page.statusCode, page.body]).toEqual([200, '<!doctype html>']);
  expect(page.headers).toMatchObject({ 'cache-control': 'no-cache', 'content-type': 'text/html; charset=utf-8' });
  const script = await app.inject('/assets/index-abc.js');
  expect([script.statusCode, script.body]).toEqual([200, 'export {};']);
  expect(script.headers['cache-control']).toBe('public, max-age=31536000, immutable');
  const unchanged = await app.inject({ url: '/', headers: { 'if-none-match': page.headers.etag as string } });
  expect(unchanged.statusCode).toBe(304);
});

test.each(['/assets/gone.js', '/assets/', '/assets/../index.html', '/assets/..%2f..%2fsecret.txt', '/index.html'])(
  '%s is not there',
  async (path) => {
    const { statusCode, body } = await (await serve(BUILT)).inject(path);
    expect([400, 404]).toContain(statusCode);
    expect(body).not.toContain('not for you');
    expect(body).toContain('"code":');
  },
);

test('a page that was not built says how to build it', async () => {
  const response = await (await serve({})).inject('/');
  expect(response.statusCode).toBe(404);
  expect(response.json()).toMatchObject({
    code: 'not_found',
    detail: 'the dashboard is not built; `npm run build:dashboard` builds it',
  });
});
