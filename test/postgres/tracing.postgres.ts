import { afterAll, beforeAll, expect, test } from 'vitest';
import { ServiceProcess } from '../e2e/process.ts';
import { Collector } from '../tracing/collector.ts';
import { record } from '../tracing/recordings.ts';
import { makeDatabase } from './databases.ts';

const ROOT = 'PUT /v1/runs/:run/steps/:step/ranks/:rank';

let url: URL;
let collector: Collector;
let service: ServiceProcess;

beforeAll(async () => {
  url = new URL(await makeDatabase());
  collector = await Collector.start();
  service = await ServiceProcess.start({
    ...collector.environment,
    LOSSMETER_WORKERS: '1',
    LOSSMETER_STORE: url.href,
  });
});

afterAll(async () => {
  await service.end();
  await collector[Symbol.asyncDispose]();
});

test('the trace of a recording has a span of each statement', async () => {
  const trace = await record(collector, service.url, 'secret-run/steps/1/ranks/0', 201);
  const database = url.pathname.slice(1);
  const above = `${ROOT} > record > transaction`;
  const below = trace.tree.filter((path) => path.startsWith(`${above} > `)).map((path) => path.slice(above.length + 3));
  expect(below[0]).toBe(`BEGIN ${database}`);
  expect(below.at(-1)).toBe(`COMMIT ${database}`);
  expect(below).toContain(`INSERT ${database}`);
  const statements = trace.spans.filter(({ kind }) => kind === 3);
  expect(statements.length).toBe(below.length);
  for (const { attributes, status } of statements) {
    expect(status).toEqual({ code: 0 });
    expect(attributes).toMatchObject({
      'db.system.name': 'postgresql',
      'db.namespace': database,
      'server.address': url.hostname,
      'server.port': Number(url.port),
    });
  }
});

test('spans have statements with placeholders, without values', async () => {
  const trace = await record(collector, service.url, 'hidden/steps/77001/ranks/0', 201);
  const statements = trace.spans
    .map(({ attributes }) => attributes['db.query.text'])
    .filter((text) => text !== undefined);
  expect(statements.join('\n')).toMatch(/\$1/);
  expect(statements.join('\n')).not.toMatch(/hidden|77001/);
  if (url.password !== '') expect(collector.text).not.toContain(url.password);
});

test('what runs in the background makes no traces of its own', async () => {
  await record(collector, service.url, 'a/steps/1/ranks/0', 201);
  const requests = new Set(collector.spans.filter(({ kind }) => kind === 2).map(({ traceId }) => traceId));
  expect(collector.spans.filter(({ traceId }) => !requests.has(traceId))).toEqual([]);
});
