import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { ROOT, ServiceProcess } from './process.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-health-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Starts a service, which ends with the test. */
async function startService(environment?: Record<string, string>): Promise<ServiceProcess> {
  const service = await ServiceProcess.start(environment);
  onTestFinished(async () => void (await service.end('SIGKILL')));
  return service;
}

async function health(environment: Record<string, string>, args: string[] = []) {
  const child = spawn(process.execPath, ['src/cli/bin.js', 'health', ...args], {
    cwd: ROOT,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exit = once(child, 'exit');
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await exit;
  return { status: child.exitCode, stdout, stderr };
}

/** Starts a server in place of the service. @returns its port */
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  return String((server.address() as AddressInfo).port);
}

test('a service that is ready is healthy until it ends, asked on loopback when it listens on every address', async () => {
  const service = await startService();
  const { port } = new URL(service.url);
  for (const host of ['127.0.0.1', '0.0.0.0']) {
    expect(await health({ LOSSMETER_HOST: host, LOSSMETER_PORT: port })).toEqual({
      status: 0,
      stdout: `http://127.0.0.1:${port}: ready\n`,
      stderr: '',
    });
  }
  await service.end();
  expect(await health({ LOSSMETER_PORT: port })).toMatchObject({
    status: 1,
    stdout: `http://127.0.0.1:${port}: not ready, connect ECONNREFUSED 127.0.0.1:${port}\n`,
  });
});

test('every address of IPv6 is asked on its loopback', async () => {
  const { status, stdout } = await health({ LOSSMETER_HOST: '::', LOSSMETER_PORT: '1' });
  expect(status).toBe(1);
  expect(stdout).toMatch(/^http:\/\/\[::1\]:1: not ready, .*\n$/);
});

test('a service on a socket is asked there', async () => {
  const socket = join(folder, 'lossmeter.sock');
  await startService({ LOSSMETER_SOCKET: socket });
  expect(await health({ LOSSMETER_SOCKET: socket })).toMatchObject({ status: 0, stdout: `${socket}: ready\n` });
});

test('a service that is not ready is not healthy', async () => {
  const port = await serve((request, response) => response.writeHead(request.url === '/readyz' ? 503 : 200).end());
  expect(await health({ LOSSMETER_PORT: port })).toMatchObject({
    status: 1,
    stdout: `http://127.0.0.1:${port}: not ready, 503\n`,
  });
});

test('a service that does not answer is not healthy', async () => {
  const port = await serve(() => undefined);
  expect(await health({ LOSSMETER_PORT: port })).toMatchObject({
    status: 1,
    stdout: `http://127.0.0.1:${port}: not ready, no answer within 3 s\n`,
  });
});

test('a configuration that is wrong is not healthy', async () => {
  const { status, stderr } = await health({ LOSSMETER_PORT: 'http' });
  expect(status).toBe(1);
  expect(stderr).toContain('LOSSMETER_PORT must be an integer');
});

test('--help prints the usage, and other arguments are refused with it', async () => {
  expect(await health({}, ['--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('health\n') });
  expect(await health({}, ['--url'])).toMatchObject({ status: 2, stderr: expect.stringContaining('takes no --url') });
});
