import { afterEach, expect, test, vi } from 'vitest';
import { RemoteService, runPath } from '../../../src/cli/runs/service.ts';
import { AnsweringServer } from './answering-server.ts';
import type { Reply } from './answering-server.ts';

let server: AnsweringServer | undefined;
afterEach(() => {
  server?.close();
  vi.unstubAllEnvs();
});

async function start(replies: (Reply | undefined)[]): Promise<AnsweringServer> {
  server = await AnsweringServer.start((_request, count) => replies[count]);
  return server;
}

test.each([429, 502, 503, 504])('a request is sent again after %d', async (status) => {
  const { url, received } = await start([{ status }, { status: 200, body: { ok: true } }]);
  expect(await new RemoteService({ url }).json('v1/runs', { method: 'POST', body: 'text' })).toEqual({ ok: true });
  expect(received.map(({ method, path, body }) => [method, path, body])).toEqual([
    ['POST', '/v1/runs', 'text'],
    ['POST', '/v1/runs', 'text'],
  ]);
});

test('a request is sent again after a broken connection', async () => {
  const { url, received } = await start([undefined, undefined, { status: 200, body: 1 }]);
  expect(await new RemoteService({ url }).json('v1/runs')).toBe(1);
  expect(received).toHaveLength(3);
});

test('Retry-After is waited for', async () => {
  const { url } = await start([
    { status: 503, headers: { 'retry-after': '1' } },
    { status: 200, body: 1 },
  ]);
  const began = performance.now();
  await new RemoteService({ url }).json('v1/runs');
  expect(performance.now() - began).toBeGreaterThanOrEqual(995);
});

test('the last failure is reported with its detail', async () => {
  const { url, received } = await start([{ status: 503 }, { status: 503, body: { detail: 'too much to do' } }]);
  await expect(new RemoteService({ url, retries: 1 }).send('v1/runs')).rejects.toThrow(
    'the service answered 503: too much to do',
  );
  expect(received).toHaveLength(2);
});

test.each([400, 401, 403, 404, 409, 413, 415, 422])('a request is not sent again after %d', async (status) => {
  const { url, received } = await start([{ status, body: { detail: 'no' } }]);
  await expect(new RemoteService({ url }).send('v1/runs')).rejects.toThrow(`the service answered ${status}: no`);
  expect(received).toHaveLength(1);
});

test('the signal ends the wait', async () => {
  const { url } = await start([{ status: 503, headers: { 'retry-after': '600' } }, { status: 503 }]);
  const stop = new AbortController();
  const sent = new RemoteService({ url, retries: Infinity, signal: stop.signal }).send('v1/runs');
  await vi.waitFor(() => expect(server!.received).toHaveLength(1));
  stop.abort();
  await expect(sent).rejects.toThrow('503');
});

test('the key goes with each request, and the path of a proxy stays', async () => {
  const { url, received } = await start([{ status: 200, body: 1 }]);
  vi.stubEnv('LOSSMETER_URL', `${url}/loss`);
  vi.stubEnv('LOSSMETER_API_KEY', 'secret');
  await new RemoteService({}).json(runPath('meta-llama/Llama 2'));
  expect(received).toMatchObject([
    { path: '/loss/v1/runs/meta-llama%2FLlama%202', headers: { authorization: 'Bearer secret' } },
  ]);
});

test.each(['localhost:8080', 'ftp://localhost', 'http://'])('%s is refused as an address', (url) => {
  expect(() => new RemoteService({ url })).toThrow(`the address of the service is ${url}`);
});

test('a service that cannot be reached is named', async () => {
  const { url, close } = await start([]);
  close();
  await expect(new RemoteService({ url, retries: 0 }).send('v1/runs')).rejects.toThrow(
    /cannot be reached: .*ECONNREFUSED/,
  );
});

test.each(['', '.', '..'])('%j is refused as the name of a run', (run) => {
  expect(() => runPath(run)).toThrow('the name of the run is');
});
