import { Registry } from '@prometheus-io/client';
import type { Metric } from '@prometheus-io/client';
import type { MetricRegistry } from './series.ts';

export const OPEN_METRICS_TYPE = Registry.OPENMETRICS_CONTENT_TYPE;

/**
 * Formats the metrics as OpenMetrics, with exemplars. A registry of that type changes the names of its counters for good,
 * so it gets copies.
 */
export async function openMetrics(registry: MetricRegistry): Promise<string> {
  const copies = new Registry(OPEN_METRICS_TYPE);
  for (const metric of registry.getMetricsAsArray()) copies.registerMetric(copyOf(metric as unknown as Metric & Named));
  return copies.metrics();
}

interface Named {
  readonly name: string;
  readonly type: string;
}

function copyOf(metric: Metric & Named): Metric {
  const { type } = metric;
  const name = type === 'counter' ? metric.name.replace(/_total$/, '') : metric.name;
  return { name, type, get: async () => ({ ...(await metric.get()), name }) } as unknown as Metric;
}
