/** The package of the service, packed and installed into an empty folder. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { ServiceProcess } from '../e2e/process.ts';
import { ROOT } from '../python/environment.ts';
import { LOSS } from './formats.ts';
import { installPacked } from './packed.ts';

const run = promisify(execFile);

const folder = mkdtempSync(path.join(tmpdir(), 'lossmeter-packed-'));
const installed = path.join(folder, 'node_modules/lossmeter');

beforeAll(() => installPacked(folder, { source: ROOT }));
afterAll(() => rmSync(folder, { recursive: true }));

test('the package has what was compiled, and neither sources nor tests', () => {
  const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
  expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'dist/src/cli/cli.js', 'src/cli/bin.js']));
  const others = files.filter((name) => !/^(?:dist|node_modules|src\/cli)(?:\/|$)/.test(name));
  expect(others.toSorted()).toEqual(['LICENSE', 'README.md', 'package.json', 'src']);
});

test('it serves, and evaluates the example as the checkout does', async () => {
  const service = await ServiceProcess.start({}, { cwd: installed });
  onTestFinished(async () => {
    await service.end();
  });
  const response = await fetch(`${service.url}/v1/cross-entropy`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.msgpack' },
    body: readFileSync(path.join(ROOT, 'examples/char-lm.msgpack')),
  });
  expect(response.status).toBe(200);
  expect(((await response.json()) as { loss: number }).loss).toBeCloseTo(LOSS, 8);
  const dashboard = await fetch(`${service.url}/`);
  expect([dashboard.status, await dashboard.text()]).toEqual([200, expect.stringContaining('<title>')]);
  const manual = await fetch(`${service.url}/docs/`);
  expect(manual.status).toBe(200);
  const guide = await fetch(`${service.url}/docs/guide/evaluate.html`);
  expect([guide.status, await guide.text()]).toEqual([200, expect.stringContaining('Evaluating a batch')]);
});

test('its command says what it is, and evaluates files', async () => {
  const command = path.join(folder, 'node_modules/.bin/lossmeter');
  const { stdout } = await run(command, ['--version'], { cwd: folder });
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  const file = path.join(ROOT, 'examples/char-lm.safetensors');
  const evaluated = await run(command, ['evaluate', file, '--json'], { cwd: folder });
  expect((JSON.parse(evaluated.stdout) as { total: { loss: number } }).total.loss).toBeCloseTo(LOSS, 6);
});
