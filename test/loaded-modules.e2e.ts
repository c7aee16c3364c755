/** Modules that a process loads: each unused module slows every start. */
import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { ROOT } from './docs/pages.ts';

/** Hook that prints the URLs of the modules that a script loads. */
const HOOK = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  const load = (url, context, next) => (console.log(url), next(url, context));
  registerHooks({ load });
`)}`;

/** TypeBox, bundled as one module. */
const TYPEBOX = String(pathToFileURL(`${ROOT}vendor/dist/typebox.js`));

interface Loaded {
  files: string[];
  packages: string[];
}

/** Lists the modules of a script. It is not a module itself: threads inherit the arguments, and cannot run such a module. */
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
    // Without its worker data the worker fails, but only after it has loaded its modules.
    const { files, packages } = loadedBy(`await import('./${path}').catch(() => undefined)`);
    expect(files).toContain(String(pathToFileURL(`${ROOT}${path}`)));
    expect(packages).not.toContain('typebox');
    expect(files).not.toContain(TYPEBOX);
  },
);
