import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COPIED = ['src', 'routes', 'kernels', 'tools', 'package.json', 'tsconfig.json', '.dependency-cruiser.cjs'];

let tree = '';

beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), 'lossmeter-architecture-'));
  for (const name of COPIED) cpSync(join(ROOT, name), join(tree, name), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'));
});

afterEach(() => rmSync(tree, { recursive: true }));

interface Summary {
  totalCruised: number;
  violations: { from: string; to: string; rule: { name: string } }[];
}

/** Runs the import rules on the copied tree, as `npm run check:imports` does. */
function runRules(...options: string[]): { status: number | null; stdout: string } {
  const tool = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
  const args = [tool, '--config', '.dependency-cruiser.cjs', ...options, 'src', 'routes', 'kernels'];
  return spawnSync(process.execPath, args, { cwd: tree, encoding: 'utf8', maxBuffer: 2 ** 26 });
}

function findViolations(): Summary {
  return (JSON.parse(runRules('--output-type', 'json').stdout) as { summary: Summary }).summary;
}

test('imports run one way', () => {
  const { violations, totalCruised } = findViolations();
  expect(violations).toEqual([]);
  // A tool that cannot read TypeScript finds nothing wrong in nothing.
  expect(totalCruised).toBeGreaterThan(40);
});

describe('a planted violation is seen', () => {
  test.each([
    [
      'src/loss/planted.ts',
      `import { KernelPool } from '../engine/pool.ts';\nnew KernelPool({} as never);\n`,
      'loss-imports-upwards',
    ],
    [
      'src/loss/planted.ts',
      `import type { KernelPool } from '../engine/pool.ts';\nexport type P = KernelPool;\n`,
      'loss-imports-upwards',
    ],
    ['src/loss/planted.ts', `export const p = import('../engine/pool.ts');\n`, 'loss-imports-upwards'],
    [
      'src/tensor/planted.ts',
      `export { ERRORS } from '../errors.ts';\nexport { Kernel } from '../../kernels/kernel.ts';\n`,
      'base-imports-upwards',
    ],
    ['src/wire/planted.ts', `export { Slabs } from '../engine/slabs.ts';\n`, 'wire-does-not-know-engine'],
    ['src/wire/json/planted.ts', `export { packReply } from '../msgpack/reply.ts';\n`, 'siblings-are-strangers'],
    [
      'src/evaluations/diagnosis/planted.ts',
      `export { combine } from '../vocabulary/combine.ts';\n`,
      'siblings-are-strangers',
    ],
    ['src/keys/planted.ts', `export { HeldBytes } from '../wire/body/held-bytes.ts';\n`, 'keys-imports-upwards'],
    ['src/pipeline/planted.ts', `export { buildApp } from '../app.ts';\n`, 'pipeline-imports-upwards'],
    ['src/plugins/planted.ts', `export { default } from '../../routes/health.ts';\n`, 'app-imports-upwards'],
    ['kernels/planted.ts', `export { parseOptions } from '../src/loss/options.ts';\n`, 'kernels-imports-upwards'],
    [
      'src/engine/planted.ts',
      `export { trace } from '@opentelemetry/api';\n`,
      'opentelemetry-is-loaded-by-tracing-alone',
    ],
    [
      'src/plugins/planted.ts',
      `export { startTracing } from '../telemetry/tracing/start.ts';\n`,
      'tracing-is-loaded-when-it-is-on',
    ],
    ['src/engine/planted.ts', `export * from './planted-too.ts';\nexport const a = 1;\n`, 'no-circular'],
  ])('%s: %s', (path, text, rule) => {
    writeFileSync(join(tree, path), text);
    writeFileSync(join(tree, 'src/engine/planted-too.ts'), `export * from './planted.ts';\n`);
    if (rule !== 'no-circular') rmSync(join(tree, 'src/engine/planted-too.ts'));
    expect(findViolations().violations.map((violation) => violation.rule.name)).toContain(rule);
    expect(runRules().status).not.toBe(0);
  });
});
