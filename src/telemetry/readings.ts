import { Counter, Gauge } from '@prometheus-io/client';
import type { MetricRegistry } from './series.ts';

/** Adds a gauge whose value is read on each scrape. */
export function addGauge(registry: MetricRegistry, name: string, help: string, read: () => number): void {
  const gauge: Gauge = new Gauge({ name, help, registers: [registry], collect: () => gauge.set(read()) });
}

/** Adds a counter whose value is read on each scrape. */
export function addCounter(registry: MetricRegistry, name: string, help: string, read: () => number): void {
  const collect = (): void => {
    counter.reset();
    counter.inc(read());
  };
  const counter = new Counter({ name, help, registers: [registry], collect });
}
