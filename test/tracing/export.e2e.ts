import { describe, expect, onTestFinished, test } from 'vitest';
import { ServiceProcess } from '../e2e/process.ts';
import { Collector } from './collector.ts';
import { makeTraceparent } from './traceparent.ts';
import { freePort } from '../../bench/free-port.ts';

const PAIR = { logits: [[1, 2, 3]], label: [2] };

async function start(environment: Record<string, string>): Promise<ServiceProcess> {
  const service = await ServiceProcess.start({ LOSSMETER_WORKERS: '1', ...environment });
  onTestFinished(() => void service.end('SIGKILL'));
  return service;
}

async function evaluate(service: ServiceProcess, headers: Record<string, string> = {}): Promise<number> {
  const { status } = await fetch(`${service.url}/v1/cross-entropy`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(PAIR),
  });
  return status;
}

describe('without tracing', () => {
  test('neither SDK nor instrumentation is loaded', async () => {
    const loads = `data:text/javascript,${encodeURIComponent(`
      import { registerHooks } from 'node:module';
      registerHooks({
        load(url, context, next) {
          // The Prometheus client loads the interface, @opentelemetry/api, by itself.
          if (/@opentelemetry\\/(?!api\\/)|@fastify\\/otel/.test(url)) console.log('loaded ' + url);
          return next(url, context);
        },
      });`)}`;
    const off = await start({ NODE_OPTIONS: `--import ${loads}`, OTEL_SERVICE_NAME: 'loss' });
    expect(await evaluate(off)).toBe(200);
    expect(off.output).not.toContain('loaded ');
    const on = await start({ NODE_OPTIONS: `--import ${loads}`, OTEL_TRACES_EXPORTER: 'otlp' });
    expect(on.output).toContain('loaded ');
  });

  test('a traceparent changes nothing', async () => {
    const service = await start({});
    const response = await fetch(`${service.url}/v1/nowhere`, { headers: makeTraceparent() });
    expect(await response.json()).not.toHaveProperty('trace_id');
    expect(service.output).not.toContain('trace_id');
  });
});

test('a value that is not supported ends the start, and names the variable', async () => {
  await expect(
    start({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }),
  ).rejects.toThrow(/OTEL_EXPORTER_OTLP_PROTOCOL is "grpc", expected one of http\/protobuf, http\/json/);
});

test('a value that the SDK ignores is logged', async () => {
  const service = await start({ OTEL_TRACES_EXPORTER: 'otlp', OTEL_TRACES_SAMPLER: 'sometimes' });
  await expect.poll(() => service.output).toContain('OTEL_TRACES_SAMPLER value \\"sometimes\\" invalid');
});

test('a header of the exporter goes to the collector, and not into the log', async () => {
  let authorization: string | undefined;
  await using collector = await Collector.start((request, response) => {
    ({ authorization } = request.headers);
    response.statusCode = 401;
    response.end();
  });
  const service = await start({
    ...collector.environment,
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20hunter2',
  });
  await evaluate(service);
  await expect.poll(() => authorization).toBe('Bearer hunter2');
  await expect.poll(() => service.output).toContain('spans are not exported');
  expect(service.output).not.toContain('hunter2');
});

test('OTEL_SERVICE_NAME and OTEL_TRACES_SAMPLER are obeyed', async () => {
  await using collector = await Collector.start();
  const named = await start({ ...collector.environment, OTEL_SERVICE_NAME: 'loss of team a' });
  const silent = await start({ ...collector.environment, OTEL_TRACES_SAMPLER: 'always_off' });
  const { traceId, traceparent } = makeTraceparent();
  const other = makeTraceparent();
  await evaluate(silent, { traceparent: other.traceparent });
  expect(await silent.end()).toBe(0);
  await evaluate(named, { traceparent });
  const trace = await collector.trace(traceId);
  expect(trace.request.resource['service.name']).toBe('loss of team a');
  expect(collector.spans.map((span) => span.traceId)).not.toContain(other.traceId);
});

test('spans are sent as protobuf by default', async () => {
  let contentType: string | undefined;
  await using collector = await Collector.start((request, response) => {
    contentType = request.headers['content-type'];
    response.end();
  });
  const { OTEL_EXPORTER_OTLP_PROTOCOL: _, ...environment } = collector.environment;
  const service = await start(environment);
  const { traceparent } = makeTraceparent();
  await evaluate(service, { traceparent });
  await expect.poll(() => contentType).toBe('application/x-protobuf');
  expect(collector.text).toContain('/v1/cross-entropy');
});

test('what is left is sent at SIGTERM', async () => {
  await using collector = await Collector.start();
  const service = await start({ ...collector.environment, OTEL_BSP_SCHEDULE_DELAY: '600000' });
  const { traceId, traceparent } = makeTraceparent();
  await evaluate(service, { traceparent });
  expect(collector.spans).toEqual([]);
  expect(await service.end('SIGTERM')).toBe(0);
  expect((await collector.trace(traceId)).spans).toHaveLength(5);
});

describe('a collector', () => {
  test('that is away is logged once, and stops nothing', async () => {
    const service = await start({
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
      OTEL_BSP_SCHEDULE_DELAY: '20',
      OTEL_EXPORTER_OTLP_TIMEOUT: '100',
    });
    for (let k = 0; k < 20; k++) expect(await evaluate(service)).toBe(200);
    await expect.poll(() => service.output, { timeout: 10_000 }).toContain('spans are not exported');
    for (let k = 0; k < 20; k++) expect(await evaluate(service)).toBe(200);
    expect(await service.end('SIGTERM')).toBe(0);
    expect(service.output.match(/spans are not exported/g)).toHaveLength(1);
  });

  test('that never answers holds neither requests nor memory nor the end', async () => {
    await using collector = await Collector.start(() => undefined);
    const service = await start({
      ...collector.environment,
      OTEL_BSP_MAX_QUEUE_SIZE: '64',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '16',
    });
    const started = performance.now();
    for (let k = 0; k < 200; k++) expect(await evaluate(service)).toBe(200);
    // If requests waited for exports, each would take the export timeout of 10 s.
    expect(performance.now() - started).toBeLessThan(10_000);
    // Exports run one at a time. Spans that do not fit into the queue are dropped.
    expect(collector.requests).toBe(1);
    const ending = performance.now();
    expect(await service.end('SIGTERM')).toBe(0);
    expect(performance.now() - ending).toBeLessThan(8000);
    // At most one export batch (16) and the queue (64).
    expect(collector.spans.length).toBeLessThanOrEqual(16 + 64);
  });
});
