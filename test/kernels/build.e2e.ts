/** The build of the kernels, in a copy of their folder. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../e2e/process.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-kernels-'));
const kernels = join(folder, 'kernels');
afterAll(() => rmSync(folder, { recursive: true }));

const build = () => spawnSync(process.execPath, ['kernels/build.js'], { cwd: folder, encoding: 'utf8' });

/** Time of the last change of each variant, in milliseconds. */
const changed = (): number[] =>
  ['strict', 'relaxed'].map((variant) => statSync(join(kernels, `build/${variant}.wasm`)).mtimeMs);

beforeAll(() => {
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
  cpSync(join(ROOT, 'kernels'), kernels, { recursive: true });
  // The sources of the checkout may be newer than its kernels.
  expect(build().status).toBe(0);
});

test('kernels that are up to date are kept', () => {
  const before = changed();
  expect(build().status).toBe(0);
  expect(changed()).toEqual(before);
});

// Sources that do not compile, so that the test need not wait for the kernels.
test.each(['abi.ts', 'assembly/forward.ts'])('a change of %s compiles them', (path) => {
  const source = join(kernels, path);
  appendFileSync(source, '\nexport const broken: f64 = ;\n');
  const { status, stderr } = build();
  expect([status, stderr]).toEqual([1, expect.stringContaining(path)]);
  cpSync(join(ROOT, 'kernels', path), source);
});
