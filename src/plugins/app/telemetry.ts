import { Gauge, Registry } from '@prometheus-io/client';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '../../config.ts';
import { EvaluationMetrics } from '../../telemetry/evaluations.ts';
import { HttpMetrics } from '../../telemetry/http.ts';
import { addProcessMetrics } from '../../telemetry/process.ts';
import { addCounter, addGauge } from '../../telemetry/readings.ts';
import type { MetricRegistry } from '../../telemetry/series.ts';
import { countReceivedBytes } from '../../telemetry/sockets.ts';
import { VERSION } from '../../version.ts';

/** Metrics for Prometheus. A feature with metrics of its own adds them to `registry`. */
interface Telemetry {
  readonly registry: MetricRegistry;
  readonly http: HttpMetrics;
  readonly evaluations: EvaluationMetrics;
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Metrics; undefined with LOSSMETER_METRICS=off. */
    readonly telemetry: Telemetry | undefined;
  }
}

export default fp<{ config: Config }>(
  async (app, { config }) => {
    if (config.metrics === 'off') {
      app.decorate('telemetry', undefined);
      return;
    }
    const registry: MetricRegistry = new Registry();
    const http = new HttpMetrics(registry);
    app.decorate('telemetry', { registry, http, evaluations: new EvaluationMetrics(registry) });
    addReadings(registry, app, config);
    const end = addProcessMetrics(registry);
    app.addHook('onClose', async () => end());
    // This is the first of all hooks, so that requests that other hooks refuse are counted too.
    app.addHook('onRequest', (request, reply, done) => {
      http.watch(request, reply);
      done();
    });
  },
  { name: 'telemetry' },
);

/** Adds gauges and counters that are read when the metrics are requested. */
function addReadings(registry: MetricRegistry, app: FastifyInstance, { maxBytesInFlight }: Config): void {
  const gauge = (name: string, help: string, read: () => number): void => addGauge(registry, name, help, read);
  const received = countReceivedBytes(app.server);
  addCounter(registry, 'lossmeter_http_request_bytes_total', 'Bytes received: heads and bodies of requests.', received);
  gauge('lossmeter_requests_in_flight', 'Evaluations under way.', () => app.evaluator.admission.inFlight);
  const queued = (): number => app.evaluator.admission.queued + app.evaluator.turns.waiting;
  gauge('lossmeter_requests_queued', 'Evaluations that wait to begin.', queued);
  const slabBytes = (): number => app.pool.slabs.bytesInUse + app.pool.kernelMemory.bytesInUse;
  gauge('lossmeter_bytes_in_flight', 'Bytes that requests hold.', () => app.evaluator.heldBytes + slabBytes());
  gauge('lossmeter_bytes_in_flight_limit', 'Bytes that requests may hold.', () => maxBytesInFlight);
  gauge('lossmeter_slab_bytes_in_use', 'Bytes of slabs, and of the memory of kernels for long rows.', slabBytes);
  gauge('lossmeter_workers', 'Worker threads that run.', () => app.pool.threads.length);
  const lost = (): number => app.pool.lost;
  addCounter(registry, 'lossmeter_workers_lost_total', 'Worker threads that ended unexpectedly.', lost);
  const ofObjects = (name: 'bytes' | 'retries') => () => app.evaluator.namedFiles.storage?.counts[name] ?? 0;
  addCounter(registry, 'lossmeter_object_bytes_total', 'Bytes read from object storage.', ofObjects('bytes'));
  const repeated = 'Retried requests to object storage.';
  addCounter(registry, 'lossmeter_object_retries_total', repeated, ofObjects('retries'));
  const info = { name: 'lossmeter_build_info', help: 'Version of the service and variant of its kernels.' };
  const build: Gauge<'version' | 'kernel'> = new Gauge({
    ...info,
    labelNames: ['version', 'kernel'],
    registers: [registry],
    collect: () => build.set({ version: VERSION, kernel: app.pool.variant }, 1),
  });
}
