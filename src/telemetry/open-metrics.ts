import { Registry } from '@prometheus-io/client';
import type { Metric } from '@prometheus-io/client';
import type { MetricRegistry } from './series.ts';

export const OPEN_METRICS_TYPE = Registry.OPENMETRICS_CONTENT_TYPE;

/**
 * Formats the metrics as OpenMetrics, with exemplars. A registry of that type renames its counters permanently, so it gets
 * copies of the metrics.
 */
export async function openMetrics(registry: MetricRegistry): Promise<string> {
  const metrics = registry.getMetricsAsArray() as unknown as (Metric & Named)[];
  const names = new Set(metrics.map(({ name }) => name));
  const copies = new Registry(OPEN_METRICS_TYPE);
  for (const metric of metrics) copies.registerMetric(copyOf(metric, names));
  return copies.metrics();
}

interface Named {
  readonly name: string;
  readonly type: string;
}

/** Copies a metric. Counters lose `_total`. If another metric has that name, the counter keeps its own as type `unknown`. */
function copyOf(metric: Metric & Named, names: ReadonlySet<string>): Metric {
  const isCounter = metric.type === 'counter';
  const stem = isCounter ? metric.name.replace(/_total$/, '') : metric.name;
  const clashes = isCounter && names.has(stem);
  const [name, type] = clashes ? [metric.name, 'unknown'] : [stem, metric.type];
  return { name, type, get: async () => ({ ...(await metric.get()), name, type }) } as unknown as Metric;
}
