import { readFileSync, readdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Gauge } from '@prometheus-io/client';
import { addCounter, addGauge } from './readings.ts';
import type { MetricRegistry } from './series.ts';

/** Milliseconds between measurements of the event loop. Its lag is the delay beyond this interval. */
const RESOLUTION_MS = 20;

/**
 * Adds metrics of the process under the names that dashboards for Node.js use. Some default metrics of the library are
 * left out: its observer of garbage collections takes 4 % of the time of a small request.
 * @returns a function that ends the measurements
 */
export function addProcessMetrics(registry: MetricRegistry): () => void {
  addProcessorTime(registry);
  const started = Math.round(Date.now() / 1000 - process.uptime());
  addGauge(registry, 'process_start_time_seconds', 'Start of the process, since 1970.', () => started);
  addMemory(registry);
  if (process.platform === 'linux') addFileDescriptors(registry);
  const version = { name: 'nodejs_version_info', help: 'Version of Node.js.', labelNames: ['version'] };
  new Gauge({ ...version, registers: [registry] }).set({ version: process.version }, 1);
  return addEventLoop(registry);
}

function addProcessorTime(registry: MetricRegistry): void {
  const user = (): number => process.cpuUsage().user / 1e6;
  const system = (): number => process.cpuUsage().system / 1e6;
  addCounter(registry, 'process_cpu_user_seconds_total', 'Processor time outside of the kernel.', user);
  addCounter(registry, 'process_cpu_system_seconds_total', 'Processor time in the kernel.', system);
  addCounter(registry, 'process_cpu_seconds_total', 'Processor time, of all threads.', () => user() + system());
}

function addMemory(registry: MetricRegistry): void {
  const read = (kind: 'heapTotal' | 'heapUsed' | 'external') => () => process.memoryUsage()[kind];
  addGauge(registry, 'process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
  addGauge(registry, 'nodejs_heap_size_total_bytes', 'Heap of the main thread.', read('heapTotal'));
  addGauge(registry, 'nodejs_heap_size_used_bytes', 'Used heap of the main thread.', read('heapUsed'));
  addGauge(registry, 'nodejs_external_memory_bytes', 'Memory of buffers and the like.', read('external'));
}

function addFileDescriptors(registry: MetricRegistry): void {
  // Excludes the descriptor that reading the folder opens.
  const count = (): number => readdirSync('/proc/self/fd').length - 1;
  addGauge(registry, 'process_open_fds', 'Open file descriptors.', count);
  const limit = Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? Infinity);
  addGauge(registry, 'process_max_fds', 'Limit of open file descriptors.', () => limit);
}

function addEventLoop(registry: MetricRegistry): () => void {
  const active = (): number => performance.eventLoopUtilization().active / 1000;
  addCounter(registry, 'nodejs_eventloop_active_seconds_total', 'Time in which the event loop was active.', active);

  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const beyond = (ns: number): number => Math.max(0, ns / 1e9 - RESOLUTION_MS / 1e3);
  const at = (percent: number): number => beyond(delay.percentile(percent));
  let lag = { p50: 0, p90: 0, p99: 0, max: 0 };
  /** Reads all lags once per scrape, for the first gauge. */
  const look = (): number => {
    lag = { p50: at(50), p90: at(90), p99: at(99), max: beyond(delay.max) };
    delay.reset();
    return lag.p50;
  };
  const gauge = (name: keyof typeof lag, which: string, read = () => lag[name]): void =>
    addGauge(registry, `nodejs_eventloop_lag_${name}_seconds`, `Lag of the event loop, ${which}.`, read);
  gauge('p50', 'median', look);
  gauge('p90', '90th percentile');
  gauge('p99', '99th percentile');
  gauge('max', 'maximum');
  return () => delay.disable();
}
