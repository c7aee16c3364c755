/** Checks the workflows of the repository, the version that its parts share, and the changelog. */
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { read } from './pages.ts';

interface Workflow {
  jobs: Record<string, { needs?: string; steps: { run?: string; uses?: string; with?: Record<string, unknown> }[] }>;
}

const workflow = (name: string): Workflow => parse(read(`.github/workflows/${name}.yml`)) as Workflow;
const commandsOf = ({ jobs }: Workflow, job: string): string[] =>
  jobs[job]!.steps.flatMap(({ run }) => (run === undefined ? [] : [run]));

test('a change runs what .ci/run does, and a release runs it first', () => {
  const commands = ['sudo --preserve-env=PATH .ci/run'];
  expect(commandsOf(workflow('ci'), 'all')).toEqual(commands);
  const release = workflow('release');
  expect(commandsOf(release, 'ci').at(-1)).toBe(commands[0]);
  const { ci, ...others } = release.jobs;
  expect(ci).toBeDefined();
  expect(Object.values(others).map(({ needs }) => needs)).toEqual(Object.keys(others).map(() => 'ci'));
});

test('an action has one version in all workflows', () => {
  const used = ['ci', 'release'].flatMap((name) =>
    Object.values(workflow(name).jobs).flatMap(({ steps }) => steps.flatMap(({ uses }) => uses ?? [])),
  );
  const names = [...new Set(used)].map((action) => action.split('@')[0]!);
  expect(names.toSorted()).toEqual([...new Set(names)].toSorted());
});

test('the image has provenance and a bill of materials', () => {
  const step = workflow('release').jobs['image']!.steps.find(({ uses }) =>
    uses?.startsWith('docker/build-push-action@'),
  );
  expect(step!.with).toMatchObject({ provenance: 'mode=max', sbom: true });
});

test('workflows use the Node.js that the project requires', () => {
  const { engines } = JSON.parse(read('package.json')) as { engines: { node: string } };
  const used = ['ci', 'release'].flatMap((name) =>
    Object.values(workflow(name).jobs).flatMap(({ steps }) =>
      steps.filter(({ uses }) => uses?.startsWith('actions/setup-node@')).map((step) => step.with!['node-version']),
    ),
  );
  expect(new Set(used)).toEqual(new Set([Number(/\d+/.exec(engines.node)![0])]));
});

const PACKAGES = ['package.json', 'clients/typescript/package.json'];

const manifestOf = (path: string): Record<string, unknown> => JSON.parse(read(path)) as Record<string, unknown>;

test('the service, the clients and the chart have one version', () => {
  const { version } = manifestOf('package.json') as { version: string };
  for (const path of PACKAGES) expect(manifestOf(path)['version'], path).toBe(version);
  expect(read('clients/python/src/lossmeter/_version.py')).toContain(`"${version}"`);
  expect(parse(read('deploy/helm/lossmeter/Chart.yaml'))).toMatchObject({ version, appVersion: version });
});

describe('packages', () => {
  test.each(PACKAGES)('%s says what it is', (path) => {
    expect(manifestOf(path)).toMatchObject({
      description: expect.stringContaining('cross-entropy'),
      keywords: expect.arrayContaining(['cross-entropy', 'loss', 'nan']) as string[],
      license: 'Apache-2.0',
    });
  });

  test.each(PACKAGES)('%s names no address: the workflow adds that of the repository', (path) => {
    const { repository, homepage, bugs } = manifestOf(path);
    expect([repository, homepage, bugs]).toEqual([undefined, undefined, undefined]);
  });

  test.each(['clients/typescript/LICENSE', 'clients/python/LICENSE'])('%s is that of the repository', (path) => {
    expect(read(path)).toBe(read('LICENSE'));
  });
});

describe('the changelog', () => {
  const headings = [...read('CHANGELOG.md').matchAll(/^## (.+)$/gm)].map(([, heading]) => heading!);
  const releases = headings.slice(1).map((heading) => /^\[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})$/.exec(heading));

  test('begins with what is unreleased; then each release has its version and date, the newest first', () => {
    expect(headings[0]).toBe('[Unreleased]');
    expect(releases.length).toBeGreaterThan(0);
    expect(releases.filter((release) => release === null)).toEqual([]);
    const dates = releases.map((release) => release![2]!);
    expect(dates).toEqual(dates.toSorted().toReversed());
    for (const date of dates) expect(new Date(date).toISOString().slice(0, 10)).toBe(date);
  });

  test('its newest release is that of the packages', () => {
    expect(releases[0]![1]).toBe(manifestOf('package.json')['version']);
  });

  test('has the sections of Keep a Changelog', () => {
    const sections = [...read('CHANGELOG.md').matchAll(/^### (.+)$/gm)].map(([, section]) => section!);
    const known = new Set(['Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security']);
    expect(sections.filter((section) => !known.has(section))).toEqual([]);
  });
});
