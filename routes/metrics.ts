import type { FastifyInstance } from 'fastify';
import { problemResponses } from '../src/contract/problem.ts';
import { Metrics } from '../src/contract/service.ts';

const schema = {
  tags: ['service'],
  operationId: 'getMetrics',
  summary: 'Metrics for Prometheus',
  description:
    'Counters, gauges and histograms since the start of the process, in the text format of Prometheus, regardless of `Accept`. docs/metrics.md explains them.',
  response: {
    200: { description: 'The metrics.', content: { 'text/plain': { schema: Metrics } } },
    // Answer with LOSSMETER_METRICS=off.
    ...problemResponses(404),
  },
};

export default async function metrics(app: FastifyInstance): Promise<void> {
  const { telemetry } = app;
  if (telemetry === undefined) return;
  const { registry } = telemetry;
  app.get('/metrics', { logLevel: 'warn', config: { scope: 'read' }, schema }, async (_request, reply) => {
    reply.type(registry.contentType);
    return registry.metrics();
  });
}
