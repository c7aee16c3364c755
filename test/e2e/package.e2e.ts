import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { VERSION } from '../../src/version.ts';
import { ROOT } from './process.ts';

test('the build makes a package whose command runs', () => {
  rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
  // Excludes the kernels: other tests read them at the same time.
  const build = spawnSync('npm', ['run', 'build:dist'], { cwd: ROOT, encoding: 'utf8' });
  expect(build.status, build.stdout + build.stderr).toBe(0);

  const command = spawnSync(process.execPath, ['dist/src/cli/bin.js', '--version'], { cwd: ROOT, encoding: 'utf8' });
  expect(command.stdout.trim()).toBe(VERSION);

  const evaluate = `
    import { buildApp } from './dist/src/app.js';
    import { loadConfig } from './dist/src/environment.js';
    const app = await buildApp({ config: { ...loadConfig({ LOSSMETER_STORE: ':memory:' }), workers: 1, inlineLogits: 0 } });
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    const body = '{"logits": [[0, 0]], "label": [1], "options": {"reduction": "sum"}}';
    const response = await fetch(url + '/v1/cross-entropy', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    console.log((await response.json()).loss);
    await app.close();`;
  const service = spawnSync(process.execPath, ['--input-type=module', '--eval', evaluate], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  expect(Number(service.stdout), service.stderr).toBe(Math.LN2);
});
