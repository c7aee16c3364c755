import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COPIED = [
  'src',
  'routes',
  'kernels',
  'tools',
  'vendor',
  'package.json',
  'tsconfig.json',
  '.dependency-cruiser.cjs',
];

let tree = '';

/** Checks the imports of a tree, as `npm run check:imports` does. */
function checkImports(cwd: string): { status: number | null; stdout: string } {
  const tool = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
  const args = [tool, '--config', '.dependency-cruiser.cjs', 'src', 'routes', 'kernels'];
  return spawnSync(process.execPath, args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    env: { ...process.env, NO_COLOR: '1' },
  });
}

/** Files that break a rule, with the name of the rule. */
const PLANTED = [
  [
    'src/loss/planted-1.ts',
    `import { KernelPool } from '../engine/pool.ts';\nnew KernelPool({} as never);\n`,
    'loss-imports-upwards',
  ],
  [
    'src/loss/planted-2.ts',
    `import type { KernelPool } from '../engine/pool.ts';\nexport type P = KernelPool;\n`,
    'loss-imports-upwards',
  ],
  ['src/loss/planted-3.ts', `export const p = import('../engine/pool.ts');\n`, 'loss-imports-upwards'],
  [
    'src/tensor/planted-4.ts',
    `export { ERRORS } from '../errors.ts';\nexport { Kernel } from '../../kernels/kernel.ts';\n`,
    'base-imports-upwards',
  ],
  [
    'src/loss/planted-typebox.ts',
    `import { Type } from 'typebox';\nexport const t = Type.Null();\n`,
    'typebox-is-one-module',
  ],
  ['src/wire/planted-5.ts', `export { Slabs } from '../engine/slabs.ts';\n`, 'wire-does-not-know-engine'],
  ['src/wire/json/planted-6.ts', `export { packReply } from '../msgpack/reply.ts';\n`, 'siblings-are-strangers'],
  [
    'src/evaluations/diagnosis/planted-7.ts',
    `export { combine } from '../vocabulary/combine.ts';\n`,
    'siblings-are-strangers',
  ],
  ['src/keys/planted-8.ts', `export { HeldBytes } from '../wire/body/held-bytes.ts';\n`, 'keys-imports-upwards'],
  ['src/pipeline/planted-9.ts', `export { buildApp } from '../app.ts';\n`, 'pipeline-imports-upwards'],
  ['src/plugins/planted-10.ts', `export { default } from '../../routes/health.ts';\n`, 'app-imports-upwards'],
  ['kernels/planted-11.ts', `export { parseOptions } from '../src/loss/options.ts';\n`, 'kernels-imports-upwards'],
  [
    'src/engine/planted-12.ts',
    `export { trace } from '@opentelemetry/api';\n`,
    'opentelemetry-is-loaded-by-tracing-alone',
  ],
  [
    'src/plugins/planted-13.ts',
    `export { startTracing } from '../telemetry/tracing/start.ts';\n`,
    'tracing-is-loaded-when-it-is-on',
  ],
  ['src/engine/planted-14.ts', `export * from './planted-too.ts';\nexport const a = 1;\n`, 'no-circular'],
] as const;

describe('the import rules', () => {
  let status: number | null;
  let output = '';

  beforeAll(() => {
    tree = mkdtempSync(join(tmpdir(), 'lossmeter-architecture-'));
    for (const name of COPIED) cpSync(join(ROOT, name), join(tree, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'));
    for (const [path, text] of PLANTED) writeFileSync(join(tree, path), text);
    const [circular] = PLANTED.at(-1)!;
    writeFileSync(join(tree, 'src/engine/planted-too.ts'), `export * from './${basename(circular)}';\n`);
    ({ status, stdout: output } = checkImports(tree));
  });
  afterAll(() => rmSync(tree, { recursive: true }));

  test.each(PLANTED)('see a planted violation: %s: %s', (path, _text, rule) => {
    expect(output).toContain(`error ${rule}: ${path} `);
  });

  test('are kept by every other file: imports run one way', () => {
    const paths = output.matchAll(/error [\w-]+: (\S+)/g);
    expect([...paths].filter(([, path]) => !path!.includes('/planted-'))).toEqual([]);
  });

  test('fail the check', () => {
    expect(status).not.toBe(0);
  });
});
