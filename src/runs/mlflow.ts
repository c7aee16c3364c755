import { setTimeout as sleep } from 'node:timers/promises';
import { Drain } from './drain.ts';
import type { ChangedStep } from './follower.ts';
import { MOST_METRICS, MlflowClient, MlflowError } from './mlflow-client.ts';
import type { Metric, MlflowOptions } from './mlflow-client.ts';
import type { CurvePoint } from './record.ts';
import { batchPages } from './store.ts';
import type { RunStore } from './store.ts';

/**
 * Milliseconds for which steps are gathered before they are logged. When a step changes meanwhile, only its newest state
 * is logged.
 */
const GATHER_MS = 1000;

/** Longest pause between retries. */
const MOST_PAUSE_MS = 60_000;

/** Most pending steps of a run; further steps are dropped. */
const MOST_WAITING = 100_000;

/** Most metrics of a step. */
const METRICS_PER_STEP = 3;

/** A run that is logged. */
interface LoggedRun {
  name: string;
  /** The name that MLflow has now, which may be a former one. */
  logged: string;
  /** Id in MLflow; undefined until it is needed. */
  id?: string | undefined;
  /** Pending steps by number. */
  readonly steps: Map<number, CurvePoint>;
}

/**
 * Logs complete steps to MLflow: `loss` where it is finite, `nan_count` and `inf_count` (NaN and infinite logits of the
 * step). MLflow stores NaN as 0 and infinities as the largest number, so non-finite losses are left out. Steps are sent
 * in batches and retried with growing pauses. Recordings do not wait for it.
 */
export class MlflowLogger {
  readonly #store: RunStore;
  readonly #client: MlflowClient;
  readonly #warn: (message: string, error?: unknown) => void;
  readonly #closing = new AbortController();
  /** Runs by id. */
  readonly #runs = new Map<number, LoggedRun>();
  /** Runs with pending steps, and renamed runs, in their order. */
  readonly #waiting = new Set<LoggedRun>();
  readonly #renamed = new Set<LoggedRun>();
  readonly #drain = new Drain(() => this.#sendAll());

  constructor(options: MlflowOptions, store: RunStore, warn: (message: string, error?: unknown) => void) {
    this.#store = store;
    this.#client = new MlflowClient(options, this.#closing.signal);
    this.#warn = warn;
  }

  /** Queues a changed step when it is complete. */
  readonly tell = ({ run: name, runId, point }: ChangedStep): void => {
    let run = this.#runs.get(runId);
    if (run === undefined) this.#runs.set(runId, (run = { name, logged: name, steps: new Map() }));
    if (run.name !== name) this.#renamed.add(run);
    run.name = name;
    if (!point.complete) return;
    run.steps.set(point.step, point);
    if (run.steps.size > MOST_WAITING) this.#drop(run);
    this.#waiting.add(run);
    this.#drain.request();
  };

  /** Drops pending steps. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#drain.settled();
  }

  #drop({ name, steps }: LoggedRun): void {
    this.#warn(`MLflow is too slow: ${steps.size} steps of ${name} are not logged`);
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
        this.#warn('MLflow does not accept metrics at the moment', error);
        pause = Math.min(2 * pause, MOST_PAUSE_MS);
      }
    }
  }

  /** Logs some steps of a run. They stay pending until they are logged. */
  async #sendSome(): Promise<void> {
    const run = this.#waiting.values().next().value!;
    const points = [...run.steps.values()].slice(0, Math.floor(MOST_METRICS / METRICS_PER_STEP));
    const metrics: Metric[] = [];
    // One step after another: each may read many batches.
    for (const point of points) metrics.push(...(await this.#metricsOf(run.name, point)));
    try {
      // Renames come first, because another run may have a former name by now.
      for (const renamed of this.#renamed) await this.#rename(renamed);
      await this.#log(run, metrics);
    } catch (error) {
      // Drops rejected steps: a retry would be rejected again and block all others.
      if (!(error instanceof MlflowError) || !error.isFinal) throw error;
      this.#warn(`MLflow refused ${points.length} steps of ${run.name}`, error);
    }
    for (const point of points) if (run.steps.get(point.step) === point) run.steps.delete(point.step);
    // Moves the run to the end of the queue: a run on which the server fails must not block the others.
    this.#waiting.delete(run);
    if (run.steps.size > 0) this.#waiting.add(run);
  }

  async #log(run: LoggedRun, metrics: readonly Metric[]): Promise<void> {
    run.id ??= await this.#find(run);
    if (run.id === undefined) {
      run.logged = run.name;
      run.id = await this.#client.create(run.logged);
    }
    try {
      await this.#client.log(run.id, metrics);
    } catch (error) {
      // The run may have been deleted on the server: the next attempt finds or creates it.
      if (error instanceof MlflowError && error.code === 'RESOURCE_DOES_NOT_EXIST') run.id = undefined;
      throw error;
    }
  }

  /** Renames the MLflow run of a run that was renamed, possibly again meanwhile. */
  async #rename(run: LoggedRun): Promise<void> {
    while (run.logged !== run.name) {
      const { logged, name } = run;
      try {
        run.id ??= await this.#find(run);
        if (run.id !== undefined) await this.#client.rename(run.id, name);
      } catch (error) {
        if (!(error instanceof MlflowError) || !error.isFinal) throw error;
        this.#warn(`MLflow refused to rename ${logged}`, error);
      }
      run.logged = name;
    }
    this.#renamed.delete(run);
  }

  /** Id of the MLflow run with the name of a run, which may still be that of another run with this former name. */
  async #find({ logged }: LoggedRun): Promise<string | undefined> {
    const id = await this.#client.find(logged);
    return [...this.#runs.values()].some((other) => other.id === id) ? undefined : id;
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
