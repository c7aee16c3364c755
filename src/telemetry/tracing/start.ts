/** Tracing with OpenTelemetry. Only src/main.ts imports this file, and only when tracing is on. */
import { setTimeout as sleep } from 'node:timers/promises';
import { FastifyOtelInstrumentation } from '@fastify/otel';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import type { SpanExporter } from '@opentelemetry/sdk-trace-node';
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions';
import type { FastifyBaseLogger, FastifyPluginCallback } from 'fastify';
import { tracing } from '../../tracing.ts';
import { VERSION } from '../../version.ts';
import { SpanQueue } from './queue.ts';
import { Reports } from './reports.ts';
import { describeRequest } from './request-span.ts';
import type { TracingSettings } from './settings.ts';
import { RequestTracer } from './spans.ts';

/** Maximum time that the process waits for the collector at its end, in milliseconds. */
const FLUSH_MS = 3000;

/** Tracing of the process. */
export interface Tracing {
  /** Plugin that makes a span of each request. */
  readonly plugin: FastifyPluginCallback;
  /** Logs faults of the export. */
  reportTo: (log: FastifyBaseLogger) => void;
  /** Sends the remaining spans, within FLUSH_MS. */
  end: () => Promise<void>;
}

/**
 * Starts tracing for the process. The SDK reads OpenTelemetry's variables: the endpoint, the sampler, the queue, the
 * resource.
 * @param isProbe true for paths whose requests get no span
 */
export async function startTracing(settings: TracingSettings, isProbe: (path: string) => boolean): Promise<Tracing> {
  // Created first, because the SDK reports invalid values of variables while it reads them.
  const reports = new Reports();
  const named = resourceFromAttributes({ [ATTR_SERVICE_NAME]: 'lossmeter', [ATTR_SERVICE_VERSION]: VERSION });
  const provider = new NodeTracerProvider({
    resource: defaultResource()
      .merge(named)
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new SpanQueue(await makeExporter(settings))],
  });
  provider.register({ propagator: new W3CTraceContextPropagator() });
  tracing.tracer = new RequestTracer(provider.getTracer('lossmeter', VERSION));
  const instrumentation = new FastifyOtelInstrumentation({
    ignorePaths: ({ url }) => isProbe(url.split('?', 1)[0]!),
    requestHook: describeRequest,
    // Evaluations make their own spans. Exceptions are not recorded, because they may quote values of a request.
    instrumentHooks: false,
    instrumentHandler: false,
    recordExceptions: false,
  });
  return {
    plugin: instrumentation.plugin(),
    reportTo: (log) => reports.to(log),
    end: async () => {
      await Promise.race([provider.shutdown().catch(() => undefined), sleep(FLUSH_MS)]);
    },
  };
}

async function makeExporter({ protocol }: TracingSettings): Promise<SpanExporter> {
  const { OTLPTraceExporter } =
    protocol === 'http/json'
      ? await import('@opentelemetry/exporter-trace-otlp-http')
      : await import('@opentelemetry/exporter-trace-otlp-proto');
  return new OTLPTraceExporter();
}
