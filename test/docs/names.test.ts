/** Checks that the names in the documentation exist in the program. */
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Config } from '../../src/config.ts';
import { describeConfig } from '../../src/environment.ts';
import { ERRORS } from '../../src/errors.ts';
import { SCOPES } from '../../src/keys/scopes.ts';
import { ADDITIONS } from '../extending/page.ts';
import { readOperations } from '../openapi-document.ts';
import { listFiles, read, readPages, readTable, ROOT } from './pages.ts';
import type { Page } from './pages.ts';

const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
const pages = readPages();
const pageOf = (path: string): Page => ({ path, text: read(path) });

/** Variables of the Python client. */
const OTHER_VARIABLES = ['LOSSMETER_URL', 'LOSSMETER_API_KEY'];
const VARIABLES = new Set([...describeConfig().map(({ name }) => name), ...OTHER_VARIABLES]);

/** Files of the program, and files that the additions of docs/extending.md create. */
const FILES = [
  ...listFiles('**/*.{ts,js,cjs,py,yml,yaml}'),
  ...ADDITIONS.values().flatMap(({ created }) => created.keys()),
];

const matches = (text: string, pattern: RegExp): string[] => [
  ...new Set([...text.matchAll(pattern)].map(([, m]) => m!)),
];

/** Names on a page that the program does not have. */
function unknownNames({ path, text }: Page): string[] {
  const variables = matches(text, /\b((?:LOSSMETER|MLFLOW)_[A-Z_]*[A-Z])\b/g).filter((name) => !VARIABLES.has(name));
  const runs = matches(text, /\bnpm run ([\w:]+)/g).filter((name) => !(name in scripts));
  const files = matches(text, /`([\w./-]+\.(?:ts|js|cjs|py|ya?ml))`/g).filter(
    (name) => !existsSync(`${ROOT}${name}`) && !FILES.some((file) => `/${file}`.endsWith(`/${name}`)),
  );
  const statuses = [...text.matchAll(/\b(\d{3}) `(\w+)`/g)]
    .filter(([, status, code]) => ERRORS[code as keyof typeof ERRORS]?.status !== Number(status))
    .map(([whole]) => whole);
  return [...variables, ...runs, ...files, ...statuses].map((name) => `${path}: ${name}`);
}

describe('variables, scripts, files and error codes with their status', () => {
  // Files for operators. CHANGELOG.md is excluded below, because it also names what no longer exists.
  const deployed = [
    ...['compose.yaml', 'Dockerfile', 'deploy/prometheus/alerts.yml', 'deploy/grafana/lossmeter.json'],
    ...['deploy/helm/lossmeter/values.yaml', 'deploy/helm/prometheus-adapter.yaml'],
  ];
  const all = [...pages, ...deployed.map(pageOf)];

  test.each(all.filter(({ path }) => path !== 'CHANGELOG.md'))('$path', (page) => {
    expect(unknownNames(page)).toEqual([]);
  });

  test('those that do not exist are found', () => {
    const text =
      '`LOSSMETER_PROT`, `npm run tset`, `src/mian.ts`, 400 `body_too_large`, 418 `teapot`, 413 `body_too_large`';
    expect(unknownNames({ path: 'p', text })).toEqual([
      'p: LOSSMETER_PROT',
      'p: tset',
      'p: src/mian.ts',
      'p: 400 `body_too_large`',
      'p: 418 `teapot`',
    ]);
  });
});

test('CONTRIBUTING.md lists the scripts of users and developers, all of them', () => {
  const listed = readTable(pageOf('CONTRIBUTING.md'), 'command | what it does').flatMap(([cell]) =>
    matches(cell!, /`npm (?:run )?([\w:]+)`/g),
  );
  // Scripts that are steps of other scripts, and scripts that npm itself runs.
  const steps = /^(?:start|prepare|prepack|build:\w+|check:\w+)$/;
  expect(listed.toSorted()).toEqual(
    Object.keys(scripts)
      .filter((name) => !steps.test(name))
      .toSorted(),
  );
});

test('docs/keys.md lists the scopes, all of them', () => {
  const listed = readTable(pageOf('docs/keys.md'), 'scope | for').map(([cell]) => cell!.replaceAll('`', ''));
  expect(listed.toSorted()).toEqual([...SCOPES].toSorted());
});

test('a setting that has a few values names each of them', () => {
  const settings = Object.entries(Config.properties as Record<string, { enum?: string[]; description?: string }>);
  const silent = settings.flatMap(([key, { enum: values = [], description = '' }]) =>
    values.filter((value) => !description.includes(`\`${value}\``)).map((value) => `${key}: ${value}`),
  );
  expect(silent).toEqual([]);
});

test('paths of the API are those of the manual', () => {
  const operations = new Set(readOperations().map(({ name }) => name.replace(/\{\w+\}/g, '{}')));
  const named = pages
    .filter(({ path }) => path !== 'CHANGELOG.md')
    .flatMap(({ text }) => [...text.matchAll(/`(GET|PUT|POST|DELETE) (\/[\w/{}-]*)[?`]/g)])
    .map(([, method, path]) => `${method} ${path!.replace(/\{\w+\}/g, '{}')}`);
  expect(named.length).toBeGreaterThan(8);
  expect(named.filter((name) => !operations.has(name))).toEqual([]);
});
