import { setTimeout as sleep } from 'node:timers/promises';
import { Counter, Gauge } from '@prometheus-io/client';
import { JOB_STATES } from '../contract/limits.ts';
import type { TaskOutcome } from '../jobs/runner.ts';
import type { JobCounts, JobStore } from '../jobs/store.ts';
import type { MetricRegistry } from './series.ts';

/** Maximum time that a scrape waits for the store, in milliseconds. */
const PATIENCE_MS = 1000;

const OUTCOMES: readonly TaskOutcome[] = ['done', 'failed', 'ignored'];

/** Metrics of jobs. */
export class JobMetrics {
  readonly #created: Counter;
  readonly #tasks: Counter<'outcome'>;

  constructor(registry: MetricRegistry, store: Pick<JobStore, 'counts'> | undefined) {
    const registers = [registry];
    this.#created = new Counter({
      name: 'lossmeter_jobs_created_total',
      help: 'Jobs that this process created.',
      registers,
    });
    this.#tasks = new Counter({
      name: 'lossmeter_job_tasks_total',
      help: 'Tasks of jobs that this process did, by outcome.',
      labelNames: ['outcome'],
      registers,
    });
    for (const outcome of OUTCOMES) this.#tasks.inc({ outcome }, 0);
    addCounts(registry, store);
  }

  readonly created = (): void => this.#created.inc();
  readonly did = (outcome: TaskOutcome): void => this.#tasks.inc({ outcome });
}

const NO_JOBS: JobCounts = {
  byState: { queued: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0 },
  tasks: 0,
};

/** Adds gauges of the store. They have no series until the store was read once. */
function addCounts(registry: MetricRegistry, store: Pick<JobStore, 'counts'> | undefined): void {
  let known: JobCounts | undefined;
  let reading: Promise<void> | undefined;
  // The metrics of a scrape share one read, and a scrape waits at most PATIENCE_MS for it.
  const read = async (): Promise<JobCounts | undefined> => {
    reading ??= (store?.counts() ?? Promise.resolve(NO_JOBS))
      .then((counts) => void (known = counts))
      .catch(() => undefined)
      .finally(() => (reading = undefined));
    await Promise.race([reading, sleep(PATIENCE_MS, undefined, { ref: false })]);
    return known;
  };
  const jobs: Gauge<'state'> = new Gauge({
    name: 'lossmeter_jobs',
    help: 'Jobs that are kept, by state.',
    labelNames: ['state'],
    registers: [registry],
    collect: async () => {
      const counts = await read();
      for (const state of JOB_STATES) if (counts !== undefined) jobs.set({ state }, counts.byState[state]);
    },
  });
  const tasks: Gauge = new Gauge({
    name: 'lossmeter_job_tasks',
    help: 'Files of jobs that wait or are evaluated.',
    registers: [registry],
    collect: async () => {
      const counts = await read();
      if (counts !== undefined) tasks.set(counts.tasks);
    },
  });
}
