import { readFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import manifest from '#manifest' with { type: 'json' };
import { ROOT } from '../python/environment.ts';
import { CASES } from './cases.ts';
import { CHART, KUBERNETES, helm, render, template, validate, workerOf, workloadOf } from './chart.ts';
import type { Document } from './chart.ts';
import { containerIn, containerOf, environmentOf, findPodViolations, quantity } from './pod-policy.ts';
import { findForbidden } from './pod-security.ts';
import { findBrokenReferences } from './references.ts';
import { loadConfig } from '../../src/environment.ts';

/** Number of concurrent Helm processes. */
const AT_A_TIME = 2;

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const manifests: Record<string, string> = {};
let documents: Record<string, Document[]> = {};
let problems: string[] = [];

beforeAll(async () => {
  const waiting = [...CASES];
  const renderNext = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      manifests[next.name] = await render(next.values);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, renderNext));
  const report = validate(manifests);
  ({ documents, problems } = report);
  const count = Object.values(documents).flat().length;
  console.log(
    `${CASES.length} combinations of values: ${count} documents, ${report.distinct} that differ, against Kubernetes ${KUBERNETES.join(', ')}`,
  );
});

test('Helm finds nothing to warn of', async () => {
  const { status, stdout } = await helm(['lint', '--strict', CHART]);
  expect(stdout).toContain('1 chart(s) linted, 0 chart(s) failed');
  expect(status).toBe(0);
});

test('the chart has the version of the service', async () => {
  const { stdout } = await helm(['show', 'chart', CHART]);
  const versions = [...stdout.matchAll(/^(?:appVersion|version): (.*)$/gm)].map(([, version]) => version);
  expect(versions).toEqual([manifest.version, manifest.version]);
  expect(/^kubeVersion: '>=(\d+\.\d+)\.0-0'$/m.exec(stdout)?.[1]).toBe(KUBERNETES[0]);
});

describe.each(CASES)('$name', ({ name }) => {
  test('meets the schemas and the policy', () => {
    expect(problems.filter((problem) => problem.startsWith(`${name}: `))).toEqual([]);
    expect(findPodViolations(documents[name]!)).toEqual([]);
    expect(findBrokenReferences(documents[name]!)).toEqual([]);
    const { kind, spec } = workloadOf(documents[name]!);
    if (kind === 'StatefulSet') expect(spec.replicas).toBeLessThanOrEqual(1);
  });
});

test('no pod is forbidden by the restricted Pod Security Standard', () => {
  const sets = CASES.map(({ name }) => documents[name]!);
  expect(findForbidden(sets)).toEqual(sets.map(() => ''));
});

test('each kind of object is rendered by some combination', () => {
  const kinds = new Set(
    Object.values(documents)
      .flat()
      .map(({ kind }) => kind),
  );
  expect([...kinds].toSorted()).toEqual([
    'ConfigMap',
    'Deployment',
    'HTTPRoute',
    'HorizontalPodAutoscaler',
    'Ingress',
    'NetworkPolicy',
    'PodDisruptionBudget',
    'PrometheusRule',
    'Secret',
    'Service',
    'ServiceAccount',
    'ServiceMonitor',
    'StatefulSet',
  ]);
});

test('the default limits hold what the default settings allow', () => {
  const container = containerOf(documents['the defaults']!);
  const { limits } = container['resources'] as { limits: { cpu: string; memory: string } };
  const { workers, maxBytesInFlight, maxRequestsInFlight } = loadConfig(environmentOf(container));
  // docs/limits.md: 64 MiB of kernel memory per worker, 1 MiB of unread body per request, and 230 MiB for the process.
  const MiB = 2 ** 20;
  const most = maxBytesInFlight + 64 * MiB * workers + MiB * maxRequestsInFlight + 230 * MiB;
  expect(quantity(limits.memory)).toBeGreaterThan(most);
  expect(quantity(limits.cpu)).toBe(workers + 1);
});

test('so do those of a worker', () => {
  const container = containerIn(workerOf(documents['workers of a data folder, PostgreSQL by a Secret']!));
  const { limits } = container['resources'] as { limits: { cpu: string; memory: string } };
  const { workers, maxBytesInFlight } = loadConfig(environmentOf(container));
  // Each of the two kernels has its own threads. The process takes 120 MiB.
  const MiB = 2 ** 20;
  expect(quantity(limits.memory)).toBeGreaterThan(maxBytesInFlight + 2 * 64 * MiB * workers + 120 * MiB);
  expect(quantity(limits.cpu)).toBe(workers + 1);
});

test('the alerts and the dashboard are those of deploy/', () => {
  const expected = `apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {}\nspec:\n${read('deploy/prometheus/alerts.yml').replaceAll(/^/gm, '  ')}`;
  const [{ spec }] = validate({ expected }).documents['expected'] as [Document];
  const rules = documents['alerts']!.find(({ kind }) => kind === 'PrometheusRule')!;
  expect(rules.spec).toEqual(spec);
  const dashboard = documents['a dashboard']!.find(({ kind }) => kind === 'ConfigMap')!;
  expect(dashboard.data!['lossmeter.json']!.trimEnd()).toBe(read('deploy/grafana/lossmeter.json').trimEnd());
});

test('a package of the chart renders the same as its folder', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lossmeter-chart-'));
  try {
    const { status, stderr } = await helm(['package', CHART, '--destination', folder]);
    expect(status, stderr).toBe(0);
    const values = { prometheusRule: { enabled: true }, dashboard: { enabled: true } };
    const packed = await render(values, join(folder, `lossmeter-${manifest.version}.tgz`));
    expect(packed).toBe(await render(values));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a document that is wrong is found', () => {
  const wrong = manifests['the defaults']!.replace('replicas: 1', 'replicas: one').replace(
    'maxUnavailable',
    'maxUnavailible',
  );
  const rule = manifests['alerts']!.replace('expr: |', 'expresion: |');
  const route = manifests['an HTTPRoute']!.replace('parentRefs:', 'parents:');
  const found = validate({ wrong, rule, route }, ['1.33']).problems.join('\n');
  expect(found).toMatch(/^wrong: StatefulSet: 1\.33: spec\/replicas: 'one' is not of type/m);
  expect(found).toMatch(/^wrong: PodDisruptionBudget: 1\.33: spec: .*maxUnavailible/m);
  expect(found).toMatch(/^rule: PrometheusRule: spec\/groups\/0\/rules\/0: .*expresion/m);
  expect(found).toMatch(/^route: HTTPRoute: spec: .*parents/m);
  expect(() => validate({ twice: 'kind: Service\nkind: Service\napiVersion: v1\n' })).toThrow(/repeated keys/);
});

test('numbers of values files keep their digits', async () => {
  const { stdout } = await template({ settings: { maxBodyBytes: 2 ** 40, maxElements: Number.MAX_SAFE_INTEGER } });
  expect(stdout).toContain('value: "1099511627776"');
  expect(stdout).toContain('value: "9007199254740991"');
});

test.each([
  ['lossmeter', 'lossmeter'],
  ['my-lossmeter', 'my-lossmeter'],
  ['trainers', 'trainers-lossmeter'],
  // The longest name that Helm allows. The name of a StatefulSet may have 52 characters.
  ['a'.repeat(53), `${'a'.repeat(42)}-lossmeter`],
  [`lossmeter-${'a'.repeat(43)}`, `lossmeter-${'a'.repeat(42)}`],
])('the release %s is named %s', async (release, name) => {
  const { stdout } = await template({}, CHART, release);
  expect(stdout).toContain(`kind: StatefulSet\nmetadata:\n  name: ${name}\n`);
  expect(name.length).toBeLessThanOrEqual(52);
});

test('another address of PostgreSQL starts the pods again, and annotations stay', async () => {
  const annotationsOf = async (url: string): Promise<Record<string, string>> => {
    const store = { kind: 'postgres', postgres: { url } };
    const text = await render({ store, podAnnotations: { note: 'a' } });
    const pods = validate({ text }, []).documents['text']!;
    return workloadOf(pods).spec.template.metadata.annotations as Record<string, string>;
  };
  const [first, second] = [await annotationsOf('postgres://a/loss'), await annotationsOf('postgres://b/loss')];
  expect(first).toMatchObject({ note: 'a', 'checksum/database': expect.stringMatching(/^[\da-f]{64}$/) });
  expect(second['checksum/database']).not.toBe(first['checksum/database']);
});
