import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Buildah } from './buildah.ts';
import { Docker } from './docker.ts';
import { BASE, IMAGE, ROOT, buildWithFirst } from './engine.ts';
import type { Container, Engine } from './engine.ts';

const MAX_BYTES_OVER_BASE = 120e6;

const read = (path: string): Buffer => readFileSync(join(ROOT, path));
const manifest = JSON.parse(read('package.json').toString()) as {
  version: string;
  license: string;
  devDependencies: Record<string, string>;
};

// The tests run in order: each depends on the state that earlier tests created.
let engine: Engine;
let service: Service;
afterAll(async () => {
  for (const { container } of started) {
    if (container.isRunning) await container.signal('KILL');
    await container.end();
  }
  await engine?.remove();
});

interface Service {
  container: Container;
  url: string;
  port: number;
  /** Milliseconds from the start until the service was ready. */
  startMs: number;
}
const started: Service[] = [];

async function start(environment: Record<string, string>): Promise<Service> {
  const port = await findPort();
  const begin = performance.now();
  const container = engine.run(['serve'], {
    port,
    environment: { LOSSMETER_PORT: String(port), ...environment },
  });
  const service = { container, url: `http://127.0.0.1:${port}`, port, startMs: 0 };
  started.push(service);
  while (!(await isReady(service))) {
    if (!container.isRunning || performance.now() - begin > 30_000) throw new Error(`no start:\n${container.output}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  service.startMs = performance.now() - begin;
  return service;
}

async function findPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const isReady = ({ url }: Service): Promise<boolean> =>
  fetch(`${url}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  );

function evaluate({ url }: Service, headers: Record<string, string> = {}): Promise<Response> {
  const body = new Uint8Array(read('examples/char-lm.msgpack'));
  headers = { 'content-type': 'application/vnd.msgpack', ...headers };
  return fetch(`${url}/v1/cross-entropy`, { method: 'POST', headers, body });
}

/** Runs a command in the container and returns what it prints. */
const print = async (...command: string[]): Promise<string> => (await service.container.exec(command)).stdout;

/** Runs JavaScript in the container and returns the value of the expression. */
const evaluateWithin = async (expression: string): Promise<unknown> =>
  JSON.parse(await print('node', '--print', `JSON.stringify(${expression})`));

test('the image is built', { timeout: 900_000 }, async () => {
  engine = await buildWithFirst([new Docker('docker'), new Docker('podman'), new Buildah()]);
  console.log(`built by ${engine.name}`);
  expect(await engine.config()).toMatchObject({ Entrypoint: ['lossmeter'], Cmd: ['serve'] });
});

test('it is at most 120 MB larger than its base', async () => {
  const [size, base] = [await engine.size(IMAGE), await engine.size(BASE)];
  console.log(`image: ${size / 1e6} MB, ${Math.round((size - base) / 1e6)} MB over its base`);
  expect(size).toBeGreaterThan(base);
  expect(size - base).toBeLessThanOrEqual(MAX_BYTES_OVER_BASE);
});

test('it says what it is', async () => {
  expect((await engine.config()).Labels).toMatchObject({
    'org.opencontainers.image.title': 'Lossmeter',
    'org.opencontainers.image.description': expect.stringContaining('cross-entropy'),
    'org.opencontainers.image.licenses': manifest.license,
    'org.opencontainers.image.version': manifest.version,
  });
});

test('it has a user that is a number, a volume and a health check, and leaves access to whoever runs it', async () => {
  const { User, Volumes, Healthcheck, Env } = await engine.config();
  expect(User).toBe('1000:1000');
  expect(Object.keys(Volumes)).toEqual(['/var/lib/lossmeter']);
  expect(Healthcheck.Test).toEqual(['CMD', 'lossmeter', 'health']);
  expect(Env).toContain('LOSSMETER_HOST=0.0.0.0');
  expect(Env.join()).not.toMatch(/ANONYMOUS|API_KEYS/);
});

test('without keys it does not start unless it is told to', async () => {
  const container = engine.run(['serve']);
  expect(await container.end()).toBe(1);
  expect(container.output).toContain('LOSSMETER_ALLOW_ANONYMOUS=true');
});

test('it starts where the root file system is read-only', async () => {
  service = await start({ LOSSMETER_ALLOW_ANONYMOUS: 'true' });
  console.log(`ready after ${Math.round(service.startMs)} ms`);
  expect(service.container.isRunning).toBe(true);
});

test('it starts with code that was compiled when it was built', async () => {
  const command = ['env', 'NODE_DEBUG_NATIVE=COMPILE_CACHE', 'lossmeter', '--version'];
  expect((await service.container.exec(command)).stderr).toMatch(/cli\.js was accepted/);
});

test('process 1 is the service, and not root’s', async () => {
  expect(await print('readlink', '/proc/1/exe')).toBe('/usr/local/bin/node\n');
  expect(await print('stat', '--format=%u', '/proc/1')).toBe('1000\n');
});

test('nothing but the volume is written to', async () => {
  const attempts = `['/', '/app', '/home/node', '/tmp', '/var/tmp', '/var/lib/lossmeter'].map((folder) => {
    try {
      fs.writeFileSync(folder + '/probe', '');
      return folder;
    } catch ({ code }) {
      return code;
    }
  })`;
  expect(await evaluateWithin(attempts)).toEqual([...Array(5).fill('EROFS'), '/var/lib/lossmeter']);
  // The service could not write to /app even in a writable root file system.
  expect(await print('find', '/app', '!', '-user', 'root')).toBe('');
});

test('it has no package manager, no compiler and no dependency of development', async () => {
  const tools = ['npm', 'npx', 'corepack', 'yarn', 'yarnpkg', 'pnpm', 'cc', 'gcc', 'g++', 'make', 'python3'];
  const tests = tools.flatMap((name) => ['-o', '-name', name]).slice(1);
  expect(await print('find', '/', '-xdev', '-path', '*/*bin/*', '(', ...tests, ')')).toBe('');
  expect(await print('find', '/', '-xdev', '-path', '*/node_modules/npm')).toBe('');
  // Some devDependencies are also dependencies of Fastify, so they are in the image.
  const { packages } = JSON.parse(read('package-lock.json').toString()) as {
    packages: Record<string, { dev?: boolean }>;
  };
  const names = Object.keys(manifest.devDependencies).map((name) => `node_modules/${name}`);
  const folders = names.filter((name) => packages[name]!.dev === true).map((name) => `/app/${name}`);
  expect(folders.length).toBeGreaterThan(10);
  expect(await evaluateWithin(`${JSON.stringify(folders)}.filter(fs.existsSync)`)).toEqual([]);
});

test('it evaluates a batch to the loss that docs/evaluate.md shows', async () => {
  const promised = JSON.parse(/^\{"loss".*$/m.exec(read('docs/evaluate.md').toString())![0]) as { loss: number };
  const { loss, kernel } = (await (await evaluate(service)).json()) as { loss: number; kernel: string };
  console.log(`loss: ${loss}, by ${kernel}`);
  // The strict kernel's last bits differ.
  expect(loss).toBeCloseTo(promised.loss, 8);
});

test('its health check succeeds while it runs', async () => {
  const [, ...command] = (await engine.config()).Healthcheck.Test;
  expect(await service.container.exec(command)).toEqual({
    status: 0,
    stdout: `http://127.0.0.1:${service.port}: ready\n`,
    stderr: '',
  });
});

/** A run that is recorded in one container and read in another. */
const RUN = '/v1/runs/kept';

test('it records a run', async () => {
  const body = JSON.stringify({ numerator: 3, denominator: 2 });
  const headers = { 'content-type': 'application/json' };
  const { status } = await fetch(`${service.url}${RUN}/steps/1/ranks/0`, { method: 'PUT', headers, body });
  expect(status).toBe(201);
});

test('it shows the dashboard', async () => {
  const response = await fetch(`${service.url}/`);
  expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('<script type="module"')]);
});

test('it has the guide', async () => {
  const response = await fetch(`${service.url}/docs/guide/evaluate.html`);
  expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('Evaluating a batch')]);
});

test('SIGTERM ends it cleanly', async () => {
  await service.container.signal('TERM');
  expect(await service.container.end(), service.container.output).toBe(0);
  expect(service.container.output).toContain('"closed"');
});

test('its health check fails where no service runs', async () => {
  const container = engine.run(['health'], { environment: { LOSSMETER_PORT: String(service.port) } });
  expect(await container.end()).toBe(1);
  expect(container.output).toContain('not ready');
});

test('a key that it makes in its volume opens it, and nothing else does', async () => {
  const file = '/var/lib/lossmeter/keys.json';
  const creation = engine.run(['keys', 'create', '--name', 'test', '--scope', 'evaluate,read', '--file', file]);
  expect(await creation.end(), creation.output).toBe(0);
  const [key] = /^lm_\S+$/m.exec(creation.output)!;
  const service = await start({ LOSSMETER_API_KEYS_FILE: file });
  expect((await evaluate(service)).status).toBe(401);
  const headers = { authorization: `Bearer ${key}` };
  expect((await evaluate(service, headers)).status).toBe(200);
  // The volume has the recordings of the other container.
  expect(await (await fetch(service.url + RUN, { headers })).json()).toMatchObject({ steps: 1, last_loss: 1.5 });
});
