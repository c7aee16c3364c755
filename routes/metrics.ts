import type { FastifyInstance } from 'fastify';
import { problemResponses } from '../src/contract/problem.ts';
import { Metrics, OpenMetrics } from '../src/contract/service.ts';
import { OPEN_METRICS_TYPE, openMetrics } from '../src/telemetry/open-metrics.ts';
import { tracing } from '../src/tracing.ts';

/** Media type of OpenMetrics in Accept, with any parameters. */
const OPEN_METRICS = /\bapplication\/openmetrics-text\b/i;

const schema = {
  tags: ['service'],
  operationId: 'getMetrics',
  summary: 'Metrics for Prometheus',
  description:
    'Counters, gauges and histograms since the start of the process, in the text format of Prometheus. With tracing, and `Accept` naming OpenMetrics, the format is OpenMetrics with exemplars in histograms. docs/metrics.md explains the metrics.',
  response: {
    200: {
      description: 'The metrics.',
      content: { 'text/plain': { schema: Metrics }, 'application/openmetrics-text': { schema: OpenMetrics } },
    },
    // Answer with LOSSMETER_METRICS=off.
    ...problemResponses(404),
  },
};

export default async function metrics(app: FastifyInstance): Promise<void> {
  const { telemetry } = app;
  if (telemetry === undefined) return;
  const { registry } = telemetry;
  app.get('/metrics', { logLevel: 'warn', config: { scope: 'read' }, schema }, async (request, reply) => {
    if (tracing.tracer !== undefined && OPEN_METRICS.test(request.headers.accept ?? '')) {
      reply.type(OPEN_METRICS_TYPE);
      return openMetrics(registry);
    }
    reply.type(registry.contentType);
    return registry.metrics();
  });
}
