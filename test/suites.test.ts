/** Checks that every suite runs in CI, and that every test file belongs to one suite. */
import { globSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ViteUserConfig } from 'vitest/config';
import { read, ROOT } from './docs/pages.ts';

const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
const suites = Object.keys(scripts).filter((name) => /^test(?::|$)/.test(name));

/** Configuration files of the suites that Vitest runs. */
const configs = suites.flatMap((suite) => {
  const [, options] = /\bvitest run\b(.*)$/.exec(scripts[suite]!) ?? [];
  return options === undefined ? [] : [/--config (\S+)/.exec(options)?.[1] ?? 'vitest.config.ts'];
});

/**
 * Suites that run tests of `npm test` again: the tests of the stores on a PostgreSQL database, and tests over lists of
 * inputs with the whole lists.
 */
const REPEATING = new Set(['test/postgres/vitest.config.ts', 'test/grids/vitest.config.ts']);

/** Files of tests: `name.suite.ts`. Names of helpers have one dot. */
const files = globSync('test/**/*.*.ts', { cwd: ROOT }).filter((path) => !path.endsWith('.config.ts'));

/** Projects of a configuration: itself when it lists none. */
async function projectsOf(config: string): Promise<ViteUserConfig[]> {
  const { default: settings } = (await import(`${ROOT}${config}`)) as { default: ViteUserConfig };
  return (settings.test!.projects ?? [settings]) as ViteUserConfig[];
}

test('.ci/run runs every suite, and runs it once', () => {
  const run = [...read('.ci/run').matchAll(/^  (test(?::\w+)?)$/gm)].map(([, name]) => name!);
  expect(run.toSorted()).toEqual(suites.toSorted());
});

test('every configuration of Vitest belongs to a suite', () => {
  const found = globSync(['vitest.config.ts', 'test/**/vitest.config.ts'], { cwd: ROOT });
  expect(configs.toSorted()).toEqual(found.toSorted());
});

test('a path that a configuration includes exists', async () => {
  for (const config of configs) {
    for (const path of (await projectsOf(config)).flatMap((project) => project.test!.include!))
      expect(globSync(path, { cwd: ROOT }), `${path} of ${config}`).not.toEqual([]);
  }
});

test('every file of tests belongs to one suite', async () => {
  const counts = new Map(files.map((path) => [path, 0]));
  for (const config of configs) {
    const paths = (await projectsOf(config)).flatMap(({ test: settings }) =>
      globSync(settings!.include!, { cwd: ROOT, exclude: settings!.exclude ?? [] }),
    );
    for (const path of paths) {
      const isRepeated = REPEATING.has(config) && counts.get(path)! > 0;
      if (!isRepeated) counts.set(path, (counts.get(path) ?? 0) + 1);
    }
  }
  expect([...counts].filter(([, count]) => count !== 1)).toEqual([]);
});
