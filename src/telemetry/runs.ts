import { setTimeout as sleep } from 'node:timers/promises';
import { Counter, Gauge } from '@prometheus-io/client';
import type { Outcome } from '../runs/record.ts';
import type { RetentionRule } from '../runs/retention.ts';
import type { StoreWatch } from '../runs/store-watch.ts';
import type { RunStore } from '../runs/store.ts';
import type { WebhookOutcome } from '../runs/webhook.ts';
import { addGauge } from './readings.ts';
import { TallyHistogram } from './series.ts';
import type { MetricRegistry, Observations } from './series.ts';

/** Maximum number of runs with a series for their last loss. */
const MOST_RUNS = 20;

/** Maximum time that a scrape waits for the store, in milliseconds. */
const PATIENCE_MS = 1000;

/**
 * Upper bounds of the buckets, in seconds: a transaction takes a fraction of a millisecond plus the time of the disk.
 */
const BOUNDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 1];

const OUTCOMES: readonly Outcome[] = [
  ...(['created', 'repeated', 'conflict', 'superseded', 'unexpected', 'full', 'over_quota'] as const),
];

/** Metrics of recordings and of the runs that changed last. */
export class RunMetrics {
  readonly #outcomes: Counter<'outcome'>;
  readonly #seconds: Observations;
  readonly #webhooks: Counter<'outcome'>;
  readonly #expired: Counter<'rule'>;

  constructor(registry: MetricRegistry, store: RunStore, watch: StoreWatch) {
    this.#outcomes = new Counter({
      name: 'lossmeter_recorded_batches_total',
      help: 'Recordings of micro-batches and of scalars, by outcome.',
      labelNames: ['outcome'],
      registers: [registry],
    });
    for (const outcome of OUTCOMES) this.#outcomes.inc({ outcome }, 0);
    const seconds = {
      name: 'lossmeter_record_seconds',
      help: 'Time that the store takes for a recording, in seconds.',
      bounds: BOUNDS,
    };
    this.#seconds = new TallyHistogram(registry, seconds).series({});
    this.#webhooks = new Counter({
      name: 'lossmeter_webhooks_total',
      help: 'Messages to the receiver of webhooks, by outcome.',
      labelNames: ['outcome'],
      registers: [registry],
    });
    for (const outcome of ['delivered', 'failed', 'dropped']) this.#webhooks.inc({ outcome }, 0);
    this.#expired = new Counter({
      name: 'lossmeter_expired_runs_total',
      help: 'Runs that the rules of retention deleted, by rule.',
      labelNames: ['rule'],
      registers: [registry],
    });
    for (const rule of ['age', 'size']) this.#expired.inc({ rule }, 0);
    addGauge(registry, 'lossmeter_store_available', '1 while runs can be recorded.', () =>
      watch.fault === undefined ? 1 : 0,
    );
    addLast(registry, store);
  }

  readonly recorded = (outcome: Outcome, milliseconds?: number): void => {
    this.#outcomes.inc({ outcome });
    if (milliseconds !== undefined) this.#seconds.observe(milliseconds / 1000);
  };

  readonly expired = (rule: RetentionRule): void => this.#expired.inc({ rule });

  readonly told = (outcome: WebhookOutcome): void => this.#webhooks.inc({ outcome });
}

function addLast(registry: MetricRegistry, store: RunStore): void {
  const newest = new NewestRuns(store);
  const add = (name: string, help: string, valueOf: (last: { step: number; loss: number }) => number): void => {
    const gauge: Gauge<'run'> = new Gauge({
      name,
      help,
      labelNames: ['run'],
      registers: [registry],
      collect: async () => {
        const runs = await newest.get();
        gauge.reset();
        for (const { run, last } of runs) gauge.set({ run }, valueOf(last));
      },
    });
  };
  add('lossmeter_run_last_step', 'Last step of each of the runs that changed last.', ({ step }) => step);
  add('lossmeter_run_last_loss', 'Loss of the last step of each of the runs that changed last.', ({ loss }) => loss);
}

type Newest = Awaited<ReturnType<RunStore['newest']>>;

/** Runs that changed last. The metrics of a scrape share one read, and a scrape waits at most PATIENCE_MS for it. */
class NewestRuns {
  readonly #store: RunStore;
  #known: Newest = [];
  #reading: Promise<void> | undefined;

  constructor(store: RunStore) {
    this.#store = store;
  }

  /** Reads the runs that changed last; returns the runs of the previous read when the store is busy or unreadable. */
  async get(): Promise<Newest> {
    this.#reading ??= this.#read();
    await Promise.race([this.#reading, sleep(PATIENCE_MS, undefined, { ref: false })]);
    return this.#known;
  }

  async #read(): Promise<void> {
    try {
      this.#known = await this.#store.newest(MOST_RUNS);
    } catch {
      // Keeps the series of the previous read; lossmeter_store_available reports the fault.
    }
    this.#reading = undefined;
  }
}
