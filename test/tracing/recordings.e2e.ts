import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ServiceProcess } from '../e2e/process.ts';
import { Collector } from './collector.ts';
import { record } from './recordings.ts';
import { makeTraceparent } from './traceparent.ts';

const ROOT = 'PUT /v1/runs/:run/steps/:step/ranks/:rank';

let folder = '';
let collector: Collector;
let service: ServiceProcess;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lossmeter-tracing-'));
  collector = await Collector.start();
  service = await ServiceProcess.start({
    ...collector.environment,
    LOSSMETER_WORKERS: '1',
    LOSSMETER_STORE: join(folder, 'runs.db'),
  });
});

afterAll(async () => {
  await service.end();
  await collector[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

test('the trace of a recording reaches the thread of SQLite', async () => {
  const trace = await record(collector, service.url, 'a/steps/1/ranks/0', 201);
  expect(trace.tree.slice(-3)).toEqual([
    `${ROOT} > record`,
    `${ROOT} > record > transaction`,
    `${ROOT} > record > transaction > recordAll`,
  ]);
  expect(trace.named('record').attributes).toEqual({ 'lossmeter.outcome': 'created' });
  expect(trace.named('transaction').attributes).toEqual({ 'lossmeter.recordings': 1 });
  const call = trace.named('recordAll');
  expect(call).toMatchObject({
    kind: 3,
    attributes: { 'db.system.name': 'sqlite', 'db.operation.name': 'recordAll' },
  });
});

test('a conflict is an outcome of the span, and the problem of the request', async () => {
  await record(collector, service.url, 'b/steps/1/ranks/0', 201);
  const { traceId, traceparent } = makeTraceparent();
  const response = await fetch(`${service.url}/v1/runs/b/steps/1/ranks/0`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', traceparent },
    body: JSON.stringify({ numerator: 5, denominator: 2 }),
  });
  expect(response.status).toBe(409);
  const trace = await collector.trace(traceId);
  expect(trace.named('record').attributes).toEqual({ 'lossmeter.outcome': 'conflict' });
  expect(trace.request.attributes['lossmeter.problem.code']).toBe('conflict');
});

test('recordings that share a transaction share its span by links', async () => {
  const ranks = Array.from({ length: 40 }, (_, rank) => rank);
  const traces = await Promise.all(ranks.map((rank) => record(collector, service.url, `c/steps/1/ranks/${rank}`, 201)));
  const transactions = collector.spans.filter(
    ({ name, traceId }) => name === 'transaction' && traces.some(({ request }) => request.traceId === traceId),
  );
  const recorded = transactions.map(({ attributes }) => attributes['lossmeter.recordings'] as number);
  expect(recorded.reduce((sum, count) => sum + count, 0)).toBe(ranks.length);
  expect(transactions.length).toBeLessThan(ranks.length);
  for (const { links, attributes } of transactions) {
    expect(links).toHaveLength((attributes['lossmeter.recordings'] as number) - 1);
  }
  // Each of the other recordings has a link to its transaction.
  for (const trace of traces) {
    const { links, spanId } = trace.named('record');
    const own = transactions.some(({ parentSpanId }) => parentSpanId === spanId);
    expect(links.length).toBe(own ? 0 : 1);
    if (!own) expect(transactions.map((one) => one.spanId)).toContain(links[0]!.spanId);
  }
});

test('reads of the history have a span of each call', async () => {
  await record(collector, service.url, 'd/steps/1/ranks/0', 201);
  const { traceId, traceparent } = makeTraceparent();
  expect((await fetch(`${service.url}/v1/runs/d`, { headers: { traceparent } })).status).toBe(200);
  const { tree } = await collector.trace(traceId);
  expect(tree).toEqual(['GET /v1/runs/:run', 'GET /v1/runs/:run > run']);
});
