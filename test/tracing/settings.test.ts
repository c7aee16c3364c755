import { expect, test } from 'vitest';
import { tracingSettings } from '../../src/telemetry/tracing/settings.ts';

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

test.each([
  ['nothing is set', {}],
  ['only a name is set', { OTEL_SERVICE_NAME: 'loss', OTEL_TRACES_SAMPLER: 'always_on' }],
  ['the endpoint is empty', { OTEL_EXPORTER_OTLP_ENDPOINT: '' }],
  ['the SDK is disabled', { ...ENDPOINT, OTEL_SDK_DISABLED: 'True' }],
  ['the exporter is none', { ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' }],
])('tracing is off where %s', (_when, environment) => {
  expect(tracingSettings(environment)).toBeUndefined();
});

test.each([
  [ENDPOINT, 'http/protobuf'],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://collector:4318/v1/traces' }, 'http/protobuf'],
  [{ OTEL_TRACES_EXPORTER: 'otlp' }, 'http/protobuf'],
  [{ ...ENDPOINT, OTEL_SDK_DISABLED: 'false', OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }, 'http/json'],
  [{ ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' }, 'http/json'],
])('tracing is on with %j', (environment, protocol) => {
  expect(tracingSettings(environment)).toEqual({ protocol });
});

test.each([
  [
    { ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
    'OTEL_EXPORTER_OTLP_PROTOCOL is "grpc", expected one of http/protobuf, http/json',
  ],
  [
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' },
    'OTEL_EXPORTER_OTLP_ENDPOINT is not an HTTP URL, expected http://host:port or https://host:port',
  ],
  [{ OTEL_TRACES_EXPORTER: 'zipkin' }, 'OTEL_TRACES_EXPORTER is "zipkin", expected one of otlp, none'],
  [
    { ...ENDPOINT, OTEL_PROPAGATORS: 'tracecontext,b3' },
    'OTEL_PROPAGATORS is "b3", expected one of tracecontext, baggage, none',
  ],
])('%j is refused by name', (environment, message) => {
  expect(() => tracingSettings(environment)).toThrow(message);
});
