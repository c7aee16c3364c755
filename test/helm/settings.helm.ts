/** Checks that the chart passes on every setting of the service. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeConfig, loadConfig } from '../../src/environment.ts';
import { CHART, render, validate, workerOf } from './chart.ts';
import type { Document } from './chart.ts';
import { containerIn, containerOf, environmentOf } from './pod-policy.ts';

/** Variables that make no sense in a pod, which listens on a port of an address other than loopback. */
const NOT_IN_A_POD = ['LOSSMETER_SOCKET', 'LOSSMETER_ALLOWED_HOSTS'];

interface Setting {
  type?: string;
  enum?: string[];
  minimum?: number;
  maximum?: number;
  pattern?: string;
}

/** A value other than the default. */
function valueOf({ enum: choices, type, maximum = 0, pattern = '' }: Setting): string | number | boolean {
  if (choices !== undefined) return choices.at(-1)!;
  if (type === 'integer') return maximum - 1;
  if (type === 'boolean') return true;
  return TEXTS.find((text) => new RegExp(pattern, 'u').test(text))!;
}

/** Values for settings that are texts. */
const TEXTS = ['https://user:password@example.org:8443/path', 'a-bucket, another'];

const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as {
  properties: { settings: { properties: Record<string, Setting> } };
};
const settings = Object.fromEntries(
  Object.entries(schema.properties.settings.properties).map(([name, setting]) => [name, valueOf(setting)]),
);

const WITH_WORKERS = {
  store: { kind: 'postgres', postgres: { existingSecret: 'a' } },
  worker: { enabled: true, tasks: 7 },
};

async function rendered(values: object): Promise<Document[]> {
  return validate({ pod: await render({ data: { existingClaim: 'a' }, ...values }) }, ['1.33']).documents['pod']!;
}

test('each setting arrives with its value', async () => {
  expect(Object.keys(settings).length).toBeGreaterThan(25);
  const config = loadConfig(environmentOf(containerOf(await rendered({ settings }))));
  expect(config).toMatchObject(settings);
});

test('each setting, the tasks and the folder arrive at a worker', async () => {
  const container = containerIn(workerOf(await rendered({ ...WITH_WORKERS, settings })));
  const config = loadConfig(environmentOf(container));
  expect(config).toMatchObject({ ...settings, workerTasks: 7, dataDir: '/data' });
});

test('all variables of the service can be set, but for those that make no sense in a pod', async () => {
  const secretSettings = Object.fromEntries(
    ['webhookSecret', 'mlflowTrackingToken'].map((name) => [name, { name: 'a', key: 'b' }]),
  );
  const all = [
    ...containerOf(await rendered({ settings, secretSettings })).env,
    ...containerOf(await rendered({ access: { anonymous: true } })).env,
    ...containerIn(workerOf(await rendered(WITH_WORKERS))).env,
  ];
  const names = new Set(all.map(({ name }) => name));
  const known = describeConfig().map(({ name }) => name);
  expect([...names].filter((name) => !known.includes(name))).toEqual([]);
  expect(known.filter((name) => !names.has(name)).toSorted()).toEqual(NOT_IN_A_POD.toSorted());
});
