import { Counter } from '@prometheus-io/client';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ERRORS } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { TallyCounter, TallyHistogram } from './series.ts';
import type { Exemplar, MetricRegistry, Observations, Tally } from './series.ts';

/** Label for requests without a route. With their paths as labels, clients could create any number of series. */
const NO_ROUTE = 'none';

/** Upper bounds of the buckets, in seconds: a small request takes less than a millisecond, an upload minutes. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Metrics common to all requests. */
export class HttpMetrics {
  readonly #requests: TallyCounter;
  readonly #seconds: TallyHistogram;
  readonly #refused: Counter<'code'>;
  /** Endpoints by route, then by method. */
  readonly #endpoints = new Map<string, Map<string, Endpoint>>();

  constructor(registry: MetricRegistry) {
    this.#requests = new TallyCounter(registry, {
      name: 'lossmeter_http_requests_total',
      help: 'Requests by the status of their answer.',
    });
    this.#seconds = new TallyHistogram(registry, {
      name: 'lossmeter_http_request_duration_seconds',
      help: 'Time from the head of a request to the end of its answer, in seconds.',
      bounds: BOUNDS,
    });
    this.#refused = new Counter({
      name: 'lossmeter_http_requests_refused_total',
      help: 'Rejected and failed requests, by the code of the error.',
      labelNames: ['code'],
      registers: [registry],
    });
    // Starts each series at 0: a series that appears with its first event shows no increase.
    for (const code of Object.keys(ERRORS)) this.#refused.inc({ code }, 0);
  }

  /** Counts and times a request, until its answer is sent or its client has disconnected. */
  watch(request: FastifyRequest, { raw }: FastifyReply): void {
    const { method, routeOptions } = request;
    const started = performance.now();
    const endpoint = this.#endpoint(routeOptions.url ?? NO_ROUTE, method);
    raw.once('close', () => {
      const status = raw.writableFinished ? raw.statusCode : ERRORS.client_closed.status;
      endpoint.closed(status, performance.now() - started, request.trace?.exemplar);
    });
  }

  refused(code: ErrorCode): void {
    this.#refused.inc({ code });
  }

  #endpoint(route: string, method: string): Endpoint {
    let methods = this.#endpoints.get(route);
    if (methods === undefined) this.#endpoints.set(route, (methods = new Map()));
    let endpoint = methods.get(method);
    if (endpoint === undefined) {
      const seconds = this.#seconds.series({ method, route });
      endpoint = new Endpoint(seconds, (status) => this.#requests.series({ method, route, status: String(status) }));
      methods.set(method, endpoint);
    }
    return endpoint;
  }
}

/** Metrics of one method of a route. */
class Endpoint {
  readonly #seconds: Observations;
  readonly #byStatus = new Map<number, Tally>();
  readonly #newTally: (status: number) => Tally;

  constructor(seconds: Observations, newTally: (status: number) => Tally) {
    this.#seconds = seconds;
    this.#newTally = newTally;
  }

  closed(status: number, ms: number, exemplar?: Exemplar): void {
    this.#seconds.observe(ms / 1000, exemplar);
    let tally = this.#byStatus.get(status);
    if (tally === undefined) this.#byStatus.set(status, (tally = this.#newTally(status)));
    tally.count++;
  }
}
