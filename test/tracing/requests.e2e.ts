import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ServiceProcess } from '../e2e/process.ts';
import { Collector } from './collector.ts';
import { makeTraceparent } from './traceparent.ts';

const PAIR = { logits: [[1, 2, 3]], label: [2] };

let collector: Collector;
let service: ServiceProcess;

beforeAll(async () => {
  collector = await Collector.start();
  service = await ServiceProcess.start({
    ...collector.environment,
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=tests',
    LOSSMETER_WORKERS: '1',
  });
});

afterAll(async () => {
  await service.end();
  await collector[Symbol.asyncDispose]();
});

function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(service.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

describe('the trace of an evaluation', () => {
  test('goes on with the trace of the client, and has a span of each phase', async () => {
    const { traceId, spanId, traceparent } = makeTraceparent();
    expect((await post('/v1/cross-entropy', PAIR, { traceparent })).status).toBe(200);
    const trace = await collector.trace(traceId);
    const root = 'POST /v1/cross-entropy';
    expect(trace.tree).toEqual([root, ...['admission', 'decode', 'rows', 'reduce'].map((name) => `${root} > ${name}`)]);
    expect(trace.request.parentSpanId).toBe(spanId);
    for (const { startMs, endMs } of trace.spans) {
      // The SDK uses whole milliseconds for the start of a span.
      expect(startMs).toBeGreaterThanOrEqual(trace.request.startMs - 1);
      expect(endMs).toBeLessThanOrEqual(trace.request.endMs + 1);
    }
  });

  test('describes request and service by the conventions of OpenTelemetry', async () => {
    const { traceId, traceparent } = makeTraceparent();
    const headers = { traceparent, 'user-agent': 'trainer/1' };
    await post('/v1/cross-entropy', PAIR, headers);
    const { request } = await collector.trace(traceId);
    expect(request.attributes).toMatchObject({
      'http.request.method': 'POST',
      'http.route': '/v1/cross-entropy',
      'http.response.status_code': 200,
      'url.path': '/v1/cross-entropy',
      'url.scheme': 'http',
      'server.address': '127.0.0.1',
      'server.port': Number(new URL(service.url).port),
      'user_agent.original': 'trainer/1',
      'network.protocol.version': '1.1',
      'http.request.body.size': JSON.stringify(PAIR).length,
    });
    expect(request.status).toEqual({ code: 0 });
    expect(request.resource).toMatchObject({ 'service.name': 'lossmeter', 'deployment.environment.name': 'tests' });
    expect(request.resource['service.version']).toMatch(/^\d+\.\d+\.\d+/);
  });

  test('has one span of the rows, with their counts, however many blocks workers evaluate', async () => {
    const [rows, classes] = [3000, 400];
    const { traceId, traceparent } = makeTraceparent();
    const response = await fetch(`${service.url}/v1/cross-entropy`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.safetensors', traceparent },
      body: safetensors(rows, classes),
    });
    expect(response.status, await response.text()).toBe(200);
    const trace = await collector.trace(traceId);
    expect(trace.named('rows').attributes).toMatchObject({
      'lossmeter.tensor': 'logits',
      'lossmeter.dtype': 'float32',
      'lossmeter.rows': rows,
      'lossmeter.elements': rows * classes,
      'lossmeter.blocks': 3,
      'lossmeter.on_workers': true,
    });
    expect(trace.named('decode').attributes).toMatchObject({ 'lossmeter.format': 'safetensors' });
  });

  test('begins with the request where the client sends none, or one that is no traceparent', async () => {
    const invalid = '00-0000000000000000000000000000zzzz-00000000000000zz-01';
    const answers = [
      await post('/v1/cross-entropy', {}),
      await post('/v1/cross-entropy', {}, { traceparent: invalid }),
    ];
    const ids = await Promise.all(
      answers.map(async (answer) => ((await answer.json()) as { trace_id: string }).trace_id),
    );
    expect(ids[0]).not.toBe(ids[1]);
    for (const id of ids) expect((await collector.trace(id)).request.parentSpanId ?? '').toBe('');
  });

  test('is not recorded where the client does not sample, and its id is told all the same', async () => {
    const { traceId, traceparent } = makeTraceparent('00');
    const response = await post('/v1/cross-entropy', { ...PAIR, label: [9] }, { traceparent });
    expect(await response.json()).toMatchObject({ trace_id: traceId });
    const next = makeTraceparent();
    await post('/v1/cross-entropy', PAIR, { traceparent: next.traceparent });
    await collector.trace(next.traceId);
    expect(collector.spans.filter((span) => span.traceId === traceId)).toEqual([]);
  });

  test('does not contain probes and scrapes', async () => {
    for (const path of ['/livez', '/readyz', '/metrics']) expect((await fetch(service.url + path)).status).toBe(200);
    const { traceId, traceparent } = makeTraceparent();
    await fetch(`${service.url}/v1/info`, { headers: { traceparent } });
    await collector.trace(traceId);
    expect(collector.spans.filter(({ name }) => /livez|readyz|metrics/.test(name))).toEqual([]);
  });
});

describe('the trace of a refused request', () => {
  test('has the code of the problem, and no text of it', async () => {
    const { traceId, traceparent } = makeTraceparent();
    const response = await post('/v1/cross-entropy', { ...PAIR, label: [987_654] }, { traceparent });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ code: 'invalid_label', trace_id: traceId });
    const trace = await collector.trace(traceId);
    expect(trace.request.attributes).toMatchObject({
      'http.response.status_code': 422,
      'lossmeter.problem.code': 'invalid_label',
    });
    expect(trace.request.status).toEqual({ code: 0 });
    expect(trace.named('rows')).toMatchObject({
      status: { code: 2 },
      attributes: { 'error.type': 'invalid_label' },
      events: [],
    });
    expect(collector.text).not.toContain('987654');
  });

  test('has the path of an unknown resource without its query', async () => {
    const { traceId, traceparent } = makeTraceparent();
    const response = await fetch(`${service.url}/v1/nowhere?token=hunter2`, { headers: { traceparent } });
    expect(response.status).toBe(404);
    const trace = await collector.trace(traceId);
    expect(trace.tree).toEqual(['GET']);
    expect(trace.request.attributes).toMatchObject({
      'url.path': '/v1/nowhere',
      'lossmeter.problem.code': 'not_found',
    });
    expect(collector.text).not.toContain('hunter2');
  });

  test('of the Open Inference Protocol has its id in the error', async () => {
    const { traceId, traceparent } = makeTraceparent();
    const response = await post('/v2/models/cross_entropy/infer', {}, { traceparent });
    expect(await response.json()).toMatchObject({ trace_id: traceId });
  });
});

test('a client that leaves while it sends ends the trace with 499', async () => {
  const { traceId, traceparent } = makeTraceparent();
  const { hostname, port } = new URL(service.url);
  const socket = createConnection({ host: hostname, port: Number(port) });
  const head = ['POST /v1/cross-entropy HTTP/1.1', 'host: 127.0.0.1', `traceparent: ${traceparent}`];
  socket.write([...head, 'content-type: application/json', 'content-length: 1000', '', '{"logits": [['].join('\r\n'));
  await sleep(200);
  socket.destroy();
  const trace = await collector.trace(traceId);
  expect(trace.request.attributes).toMatchObject({
    'http.response.status_code': 499,
    'lossmeter.problem.code': 'client_closed',
  });
  expect(trace.named('decode')).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': 'client_closed' } });
});

test('log lines of a request have the ids of its span', async () => {
  const { traceId, traceparent } = makeTraceparent();
  await post('/v1/cross-entropy', { ...PAIR, label: [9] }, { traceparent });
  const { request } = await collector.trace(traceId);
  const lines = service.output
    .split('\n')
    .filter((line) => line.includes(traceId))
    .map((line) => JSON.parse(line) as { msg: string; span_id: string });
  expect(lines.map(({ msg }) => msg)).toEqual(['request refused', 'request completed']);
  expect(new Set(lines.map((line) => line.span_id))).toEqual(new Set([request.spanId]));
});

/** A batch of zeros. */
function safetensors(rows: number, classes: number): Uint8Array<ArrayBuffer> {
  const header = JSON.stringify({
    label: { dtype: 'I32', shape: [rows], data_offsets: [0, 4 * rows] },
    logits: { dtype: 'F32', shape: [rows, classes], data_offsets: [4 * rows, 4 * rows * (1 + classes)] },
  });
  const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
  const body = new Uint8Array(8 + padded.length + 4 * rows * (1 + classes));
  new DataView(body.buffer).setBigUint64(0, BigInt(padded.length), true);
  body.set(new TextEncoder().encode(padded), 8);
  return body;
}
