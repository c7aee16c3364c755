import { Counter, Gauge } from '@prometheus-io/client';
import type { MetricRegistry } from './series.ts';

/** Adds a gauge that is read when somebody asks for it. */
export function addGauge(registry: MetricRegistry, name: string, help: string, read: () => number): void {
  const gauge: Gauge = new Gauge({ name, help, registers: [registry], collect: () => gauge.set(read()) });
}

/** The same of what only grows. */
export function addCounter(registry: MetricRegistry, name: string, help: string, read: () => number): void {
  const collect = (): void => {
    counter.reset();
    counter.inc(read());
  };
  const counter = new Counter({ name, help, registers: [registry], collect });
}
