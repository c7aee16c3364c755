import { setTimeout as sleep } from 'node:timers/promises';
import { Drain } from './drain.ts';
import type { ChangedStep } from './follower.ts';
import { MOST_METRICS, MlflowClient, MlflowError } from './mlflow-client.ts';
import type { Metric, MlflowOptions } from './mlflow-client.ts';
import type { CurvePoint } from './record.ts';
import { batchPages } from './store.ts';
import type { RunStore } from './store.ts';

/** How long steps are gathered before they are logged: of one that changes meanwhile the newest state, in milliseconds. */
const GATHER_MS = 1000;

/** The longest pause between tries. */
const MOST_PAUSE_MS = 60_000;

/** Steps of a run that wait to be logged; when more come, they are dropped. */
const MOST_WAITING = 100_000;

/** Metrics of a step at most. */
const METRICS_PER_STEP = 3;

/**
 * Logs complete steps to MLflow: `loss` where it is finite, and how many logits of the step were NaN (`nan_count`) or infinite
 * (`inf_count`), for MLflow keeps NaN as 0 and the infinities as the greatest number. In batches, tried again with growing
 * pauses; nobody who records waits for it.
 */
export class MlflowLogger {
  readonly #store: RunStore;
  readonly #client: MlflowClient;
  readonly #warn: (message: string, error?: unknown) => void;
  readonly #closing = new AbortController();
  /** By run, by step. */
  readonly #waiting = new Map<string, Map<number, CurvePoint>>();
  readonly #drain = new Drain(() => this.#sendAll());

  constructor(options: MlflowOptions, store: RunStore, warn: (message: string, error?: unknown) => void) {
    this.#store = store;
    this.#client = new MlflowClient(options, this.#closing.signal);
    this.#warn = warn;
  }

  /** Looks at a step that has changed. */
  readonly tell = ({ run, point }: ChangedStep): void => {
    if (!point.complete) return;
    let steps = this.#waiting.get(run);
    if (steps === undefined) this.#waiting.set(run, (steps = new Map()));
    steps.set(point.step, point);
    if (steps.size > MOST_WAITING) this.#drop(run, steps);
    this.#drain.request();
  };

  /** Gives up what has not been logged. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#drain.settled();
  }

  #drop(run: string, steps: Map<number, CurvePoint>): void {
    this.#warn(`MLflow keeps up too badly: ${steps.size} steps of ${run} are not logged`);
    steps.clear();
  }

  async #sendAll(): Promise<void> {
    let pause = GATHER_MS;
    while (this.#waiting.size > 0 && !this.#closing.signal.aborted) {
      await sleep(pause, undefined, { signal: this.#closing.signal }).catch(() => undefined);
      try {
        while (this.#waiting.size > 0 && !this.#closing.signal.aborted) await this.#sendSome();
        pause = GATHER_MS;
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        this.#warn('MLflow does not take metrics at the moment', error);
        pause = Math.min(2 * pause, MOST_PAUSE_MS);
      }
    }
  }

  /** Logs some steps of a run, which wait until they are. */
  async #sendSome(): Promise<void> {
    const [run, steps] = this.#waiting.entries().next().value!;
    const points = [...steps.values()].slice(0, Math.floor(MOST_METRICS / METRICS_PER_STEP));
    const metrics: Metric[] = [];
    // One after another: each may read many batches.
    for (const point of points) metrics.push(...(await this.#metricsOf(run, point)));
    try {
      await this.#client.log(run, metrics);
    } catch (error) {
      // What is refused would be refused again, and keep all others.
      if (!(error instanceof MlflowError) || !error.isFinal) throw error;
      this.#warn(`MLflow refused ${points.length} steps of ${run}`, error);
    }
    for (const point of points) if (steps.get(point.step) === point) steps.delete(point.step);
    // To the end: a run that the server fails on keeps no other.
    this.#waiting.delete(run);
    if (steps.size > 0) this.#waiting.set(run, steps);
  }

  async #metricsOf(run: string, point: CurvePoint): Promise<Metric[]> {
    const { step, loss, nonFinite, recordedAt: timestamp } = point;
    let [nans, infs] = [0, 0];
    if (nonFinite) {
      for await (const batches of batchPages(this.#store, run, { from: step, to: step })) {
        for (const { diagnostics } of batches) {
          const { nan = 0, pos_inf: posInf = 0, neg_inf: negInf = 0 } = diagnostics.logits ?? {};
          nans += nan;
          infs += posInf + negInf;
        }
      }
    }
    return [
      ...(Number.isFinite(loss) ? [{ key: 'loss', value: loss, timestamp, step }] : []),
      { key: 'nan_count', value: nans, timestamp, step },
      { key: 'inf_count', value: infs, timestamp, step },
    ];
  }
}
