import { execFile } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { ServiceProcess } from '../../e2e/process.ts';
import { ROOT } from '../../python/environment.ts';
import { readSafetensors } from '../../safetensors-file.ts';
import { LOSS } from '../formats.ts';
import { installPacked } from '../packed.ts';

const run = promisify(execFile);

/** Starts a service for one test. */
async function startService(environment: Record<string, string> = {}): Promise<ServiceProcess> {
  const service = await ServiceProcess.start(environment);
  onTestFinished(async () => {
    await service.end();
  });
  return service;
}

const PROGRAMS = path.join(import.meta.dirname, 'packed');

/** An empty folder outside of the checkout, into which the package is installed. */
const folder = mkdtempSync(path.join(tmpdir(), 'lossmeter-packed-'));
const tsc = path.join(ROOT, 'node_modules/.bin/tsc');

beforeAll(async () => {
  const source = path.join(ROOT, 'clients/typescript');
  await run(tsc, ['-p', source]);
  await installPacked(folder, { source, options: ['--ignore-scripts'], others: ['@types/node@24.19.2'] });
});
afterAll(() => rmSync(folder, { recursive: true }));

test('the package has what it needs and nothing else', () => {
  const installed = readdirSync(path.join(folder, 'node_modules/lossmeter-client'), {
    recursive: true,
    encoding: 'utf8',
  });
  const others = installed.filter((name) => !/^dist(?:\/[\w-]+\.(?:js|d\.ts))?$/.test(name));
  expect(others.toSorted()).toEqual(['LICENSE', 'README.md', 'package.json']);
});

test('it evaluates the example on Node.js, with its types', async () => {
  copyFileSync(path.join(PROGRAMS, 'evaluate.ts'), path.join(folder, 'evaluate.ts'));
  const options = ['--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
  await run(tsc, [...options, 'evaluate.ts'], { cwd: folder });
  const { tensors } = readSafetensors(readFileSync(path.join(ROOT, 'examples/char-lm.safetensors')));
  const stored = Object.entries(tensors).map(([name, { shape, data }]) => [
    name,
    { shape, data: Buffer.from(data).toString('base64') },
  ]);
  writeFileSync(path.join(folder, 'batch.json'), JSON.stringify(Object.fromEntries(stored)));
  const service = await startService();
  const { stdout } = await run(process.execPath, ['evaluate.js', service.url, 'batch.json'], { cwd: folder });
  expect(Number(stdout).toFixed(7)).toBe(LOSS.toFixed(7));
});

test('the example of its README prints what it says', async () => {
  const readme = readFileSync(path.join(folder, 'node_modules/lossmeter-client/README.md'), 'utf8');
  const [program, others] = [...readme.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, block]) => block!);
  writeFileSync(path.join(folder, 'readme.ts'), program!);
  // These blocks are only compiled: some read event streams, which do not end.
  const head = "import { Client } from 'lossmeter-client';\nconst client = new Client();\n";
  writeFileSync(path.join(folder, 'others.ts'), head + others!);
  const options = ['--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
  await run(tsc, [...options, 'readme.ts', 'others.ts'], { cwd: folder });
  const service = await startService();
  const env = { ...process.env, LOSSMETER_URL: service.url };
  const { stdout } = await run(process.execPath, ['readme.js'], { cwd: folder, env });
  const [, number, rest] = /\/\/ ([\d.]+)… (.*)$/m.exec(program!)!;
  expect(stdout.startsWith(number!)).toBe(true);
  expect(stdout).toContain(`${rest}\n`);
});

test('it evaluates a batch in a browser, from a page of another origin', async () => {
  const page = path.join(folder, 'page');
  mkdirSync(page);
  copyFileSync(path.join(PROGRAMS, 'page.ts'), path.join(page, 'page.ts'));
  writeFileSync(path.join(page, 'index.html'), '<script type="module" src="./page.ts"></script>');
  await build({ root: page, logLevel: 'warn', configFile: false, build: { target: 'es2022' } });
  const server = createServer(({ url = '' }, response) => {
    const name = new URL(url, 'http://page').pathname;
    const file = path.join(page, 'dist', name === '/' ? 'index.html' : name);
    if (!existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.setHeader('content-type', file.endsWith('.js') ? 'text/javascript' : 'text/html');
    response.end(readFileSync(file));
  });
  onTestFinished(() => void server.close());
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const service = await startService({ LOSSMETER_CORS_ORIGINS: origin });
  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
  onTestFinished(() => browser.close());
  const opened = await browser.newPage();
  await opened.goto(`${origin}/?service=${encodeURIComponent(service.url)}`);
  await opened.waitForFunction('document.title.startsWith("loss")', undefined, { timeout: 30_000 });
  const body = JSON.stringify({
    logits: [
      [1, 2, 3],
      [0.5, 0.25, 0],
    ],
    label: [2, 0],
  });
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${service.url}/v1/cross-entropy`, { method: 'POST', headers, body });
  const { loss } = (await response.json()) as { loss: number };
  expect(await opened.title()).toBe(`loss ${loss}`);
});
