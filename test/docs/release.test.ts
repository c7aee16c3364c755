/** The workflows of the repository, and the version that its parts share. */
import { expect, test } from 'vitest';
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
  expect(commandsOf(release, 'ci')).toEqual(commands);
  const { ci, ...others } = release.jobs;
  expect(ci).toBeDefined();
  expect(Object.values(others).map(({ needs }) => needs)).toEqual(Object.keys(others).map(() => 'ci'));
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

test('the service, the clients and the chart have one version', () => {
  const ofPackage = (path: string): string => (JSON.parse(read(path)) as { version: string }).version;
  const version = ofPackage('package.json');
  expect(ofPackage('clients/typescript/package.json')).toBe(version);
  expect(read('clients/python/src/lossmeter/_version.py')).toContain(`"${version}"`);
  expect(parse(read('deploy/helm/lossmeter/Chart.yaml'))).toMatchObject({ version, appVersion: version });
});
