/** Runs the service with the environment and the volumes that the chart renders. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readSelectors } from '../deploy/promql.ts';
import { ROOT } from '../e2e/process.ts';
import { Exposition } from '../exposition.ts';
import { render, validate } from './chart.ts';
import { Pod } from './pod.ts';

// The tests run in order: each depends on the state that earlier tests created.
let pod: Pod;
let key = '';
const pods: Pod[] = [];
afterAll(() => Promise.all(pods.map((one) => one.remove())));

async function start(values: object): Promise<Pod> {
  const started = await Pod.start({ port: await findPort(), ...values });
  pods.push(started);
  return started;
}

async function findPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Creates a key with the command line. @returns the key, and the text of its file */
function createKey(): { secret: string; content: string } {
  const folder = mkdtempSync(join(tmpdir(), 'lossmeter-keys-'));
  try {
    const file = join(folder, 'keys.json');
    const args = ['keys', 'create', '--name', 'trainer', '--scope', 'evaluate,record,read', '--file', file];
    const { stdout } = spawnSync(process.execPath, ['src/cli/bin.js', ...args], { cwd: ROOT, encoding: 'utf8' });
    return { secret: stdout.trim(), content: readFileSync(file, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const authorized = (): { headers: Record<string, string> } => ({ headers: { authorization: `Bearer ${key}` } });

test('a pod with SQLite and keys becomes ready', async () => {
  const { secret, content } = createKey();
  key = secret;
  const settings = { maxBodyBytes: 2 ** 40, stallSeconds: 7, logLevel: 'info' };
  pod = await start({ access: { keys: { content } }, settings });
  for (const name of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const) {
    expect((await fetch(pod.probe(name))).status, name).toBe(200);
  }
});

test('it warns of no variable', () => {
  expect(pod.service.output).not.toContain('not a variable');
  expect(pod.service.output).not.toContain('"level":40');
});

test('its history is in its volume', () => {
  expect(existsSync(pod.pathOf('/var/lib/lossmeter/lossmeter.db'))).toBe(true);
});

test('it has the settings of the values', async () => {
  const { limits } = (await (await fetch(`${pod.service.url}/v1/info`, authorized())).json()) as {
    limits: Record<string, number>;
  };
  expect(limits).toMatchObject({ max_body_bytes: 2 ** 40, stall_seconds: 7 });
});

test('it lets in nobody without a key', async () => {
  const record = (headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${pod.service.url}/v1/runs/kept/steps/1/ranks/0`, {
      method: 'PUT',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ numerator: 3, denominator: 2 }),
    });
  expect((await record()).status).toBe(401);
  expect((await record(authorized().headers)).status).toBe(201);
});

test('it reads a changed Secret again', async () => {
  const { secret, content } = createKey();
  // Has the same effect as the kubelet: new content under the same name.
  const [file] = pod.container.env.filter(({ name }) => name === 'LOSSMETER_API_KEYS_FILE').map(({ value }) => value!);
  writeFileSync(pod.pathOf(file!), content);
  await expect
    .poll(async () => (await fetch(`${pod.service.url}/v1/info`, authorized())).status, { timeout: 10_000 })
    .toBe(401);
  key = secret;
  expect((await fetch(`${pod.service.url}/v1/info`, authorized())).status).toBe(200);
});

test('it has the metrics that the Prometheus adapter asks for', async () => {
  expect((await fetch(`${pod.service.url}/metrics`)).status).toBe(401);
  const exposition = await Exposition.read(await fetch(`${pod.service.url}/metrics`, authorized()));
  const adapter = readFileSync(join(ROOT, 'deploy/helm/prometheus-adapter.yaml'), 'utf8');
  const asDocument = `kind: Values\napiVersion: v1\n${adapter}`;
  const [values] = validate({ asDocument }).documents['asDocument'] as unknown as [
    { rules: { custom: { seriesQuery: string; metricsQuery: string; name: { matches: string; as: string } }[] } },
  ];
  const [{ seriesQuery, metricsQuery, name }] = values.rules.custom as [(typeof values.rules.custom)[number]];
  const query = metricsQuery
    .replaceAll('<<.GroupBy>>', 'pod')
    .replaceAll('<<.LabelMatchers>>', 'namespace="loss", pod=~"a|b"');
  const ofTarget = new Set(['job', 'namespace', 'pod']);
  for (const { metric, labels } of [...readSelectors(seriesQuery), ...readSelectors(query)]) {
    const family = exposition.families.get(metric.replace(/_count$/, ''));
    expect(family, metric).toBeDefined();
    expect(labels.filter((label) => !ofTarget.has(label) && !(label in family!.samples[0]!.labels))).toEqual([]);
  }
  expect(seriesQuery).toMatch(new RegExp(`${name.matches.slice(0, -1)}\\{`));

  const queue = { enabled: true, queue: { enabled: true } };
  const scaling = await render({ store: { kind: 'postgres', postgres: { existingSecret: 'db' } }, autoscaling: queue });
  expect(scaling).toContain(`name: ${name.as}\n`);
});

test('SIGTERM ends it within its grace period', async () => {
  const begin = performance.now();
  expect(await pod.service.end()).toBe(0);
  expect((performance.now() - begin) / 1000).toBeLessThan(pod.graceSeconds);
});

test('a pod that serves everybody becomes ready', async () => {
  const open = await start({ access: { anonymous: true }, store: { sqlite: { ephemeral: true } } });
  expect((await fetch(open.probe('readinessProbe'))).status).toBe(200);
  expect((await fetch(`${open.service.url}/metrics`)).status).toBe(200);
  expect(open.service.output).toContain('no API keys');
});
