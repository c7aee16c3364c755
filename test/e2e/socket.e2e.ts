import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { afterAll, afterEach, expect, test } from 'vitest';
import { ROOT, ServiceProcess } from './process.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-socket-'));
afterAll(() => rmSync(folder, { recursive: true }));
const socketPath = join(folder, 'lossmeter.sock');

let service: ServiceProcess | undefined;
afterEach(async () => {
  await service?.end('SIGKILL');
  service = undefined;
});

const start = (): Promise<ServiceProcess> => ServiceProcess.start({ LOSSMETER_SOCKET: socketPath });

async function evaluate(): Promise<unknown> {
  const headers = { 'content-type': 'application/json' };
  const post = request({ socketPath, path: '/v1/cross-entropy', method: 'POST', headers });
  post.end('{"logits": [[0, 0]], "label": [1], "options": {"reduction": "sum"}}');
  const [response] = (await once(post, 'response')) as [IncomingMessage];
  return ((await json(response)) as { loss: number }).loss;
}

test('LOSSMETER_SOCKET takes the place of host and port, and is removed at the end', async () => {
  service = await start();
  expect(service.url).toBe(socketPath);
  expect(statSync(socketPath).isSocket()).toBe(true);
  expect(await evaluate()).toBe(Math.LN2);
  expect(await service.end()).toBe(0);
  expect(existsSync(socketPath)).toBe(false);
});

test('the example of a refusal calls the service where it is', async () => {
  service = await start();
  const post = request({ socketPath, path: '/v1/cross-entropy', method: 'POST', headers: { 'content-type': 'x/y' } });
  const [response] = (await once(post.end('x'), 'response')) as [IncomingMessage];
  const { detail } = (await json(response)) as { detail: string };
  expect([response.statusCode, detail]).toEqual([415, expect.stringContaining(`--unix-socket '${socketPath}'`)]);
});

test('a socket that a killed service left behind is replaced', async () => {
  service = await start();
  await service.end('SIGKILL');
  expect(existsSync(socketPath)).toBe(true);
  service = await start();
  expect(await evaluate()).toBe(Math.LN2);
});

function refused(socket: string): string {
  const env = { ...process.env, LOSSMETER_SOCKET: socket };
  const { status, stdout, stderr } = spawnSync(process.execPath, ['src/cli/bin.js', 'serve'], {
    cwd: ROOT,
    encoding: 'utf8',
    env,
    timeout: 20_000,
  });
  expect(status).toBe(1);
  return stdout + stderr;
}

test('a socket on which another process listens is left alone', async () => {
  service = await start();
  expect(refused(socketPath)).toContain('but another process listens on it');
  expect(await evaluate()).toBe(Math.LN2);
});

test('a file that is no socket is left alone', () => {
  const file = join(folder, 'precious');
  writeFileSync(file, 'x');
  expect(refused(file)).toContain('is not a socket');
  expect(existsSync(file)).toBe(true);
});
