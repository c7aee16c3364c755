/** The modules that a process loads: one that it does not use takes a part of every start. */
import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { ROOT } from './docs/pages.ts';

/** Prints the addresses of the modules that a script loads. */
const HOOK = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  const load = (url, context, next) => (console.log(url), next(url, context));
  registerHooks({ load });
`)}`;

/** TypeBox as one module. */
const TYPEBOX = String(pathToFileURL(`${ROOT}vendor/dist/typebox.js`));

interface Loaded {
  files: string[];
  packages: string[];
}

/** Lists the modules of a script. Threads inherit the arguments of the process, with which a script cannot be a module. */
function loadedBy(script: string): Loaded {
  const args = ['--import', HOOK, '--eval', `(async () => { ${script} })()`];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
  const names = [...stdout.matchAll(/\/node_modules\/((?:@[^/\s]+\/)?[^/\s]+)/g)].map(([, name]) => name!);
  return { files: stdout.split('\n'), packages: [...new Set(names)].toSorted() };
}

const SERVICE = `
  const { buildApp } = await import('./src/app.ts');
  const { loadConfig } = await import('./src/environment.ts');
  const app = await buildApp({ config: loadConfig({ LOSSMETER_STORE: ':memory:', LOSSMETER_WORKERS: '1' }) });
  await app.ready();
  await app.close();
`;

test('a service with SQLite and without tracing and object storage does not load what those take', () => {
  const { files, packages } = loadedBy(SERVICE);
  expect(packages).toEqual(expect.arrayContaining(['fastify', 'piscina']));
  expect(files).toContain(TYPEBOX);
  const unused = /^(typebox|ajv|pg|pg-boss|@aws-sdk\/.*|@opentelemetry\/sdk.*|@fastify\/otel)$/;
  expect(packages.filter((name) => unused.test(name))).toEqual([]);
});

test.each(['src/engine/worker.ts', 'src/runs/thread/worker.ts', 'src/jobs/sqlite/worker.ts'])(
  '%s loads no schemas',
  (path) => {
    // Without its data a worker fails, after its modules are loaded.
    const { files, packages } = loadedBy(`await import('./${path}').catch(() => undefined)`);
    expect(files).toContain(String(pathToFileURL(`${ROOT}${path}`)));
    expect(packages).not.toContain('typebox');
    expect(files).not.toContain(TYPEBOX);
  },
);
