import { LossmeterError } from '../errors.ts';
import type { JobRequest } from '../contract/jobs.ts';
import type { NamedFiles } from '../files/named-files.ts';
import type { Job } from './job.ts';
import { findJobFiles } from './read-order.ts';
import type { JobLimits, JobStore, StateChange } from './store.ts';

/** Runs the tasks of jobs, or signals the processes that run them. */
export interface TaskDoers {
  /** Signals that there are tasks. */
  wake: () => void;
  /** Stops the tasks of a job that was cancelled or deleted. */
  stop: (job: number) => void;
}

export interface JobServiceOptions {
  store: JobStore;
  doers: TaskDoers;
  namedFiles: NamedFiles;
  /** Kernel variant of this process, which jobs created here get. */
  kernel: string;
  limits: JobLimits & { maxJobFiles: number };
}

/** Changes of jobs that clients request. */
export class JobService {
  readonly store: JobStore;
  readonly #options: JobServiceOptions;

  constructor(options: JobServiceOptions) {
    this.store = options.store;
    this.#options = options;
  }

  /** @throws LossmeterError */
  async create(request: JobRequest): Promise<Job> {
    const { namedFiles, kernel, limits, doers } = this.#options;
    const order = await findJobFiles(request, namedFiles, limits.maxJobFiles);
    const job = await this.store.create({ ...order, kernel }, limits);
    doers.wake();
    return job;
  }

  /** @throws LossmeterError not_found, job_state */
  async cancel(id: number): Promise<Job> {
    const job = requireChange(id, await this.store.cancel(id), 'cancelled', 'queued or running');
    this.#options.doers.stop(id);
    return job;
  }

  /** @throws LossmeterError not_found, job_state */
  async retry(id: number): Promise<Job> {
    const job = requireChange(id, await this.store.retry(id, this.#options.limits), 'retried', 'failed or cancelled');
    this.#options.doers.wake();
    return job;
  }

  /** @throws LossmeterError not_found */
  async remove(id: number): Promise<void> {
    if (!(await this.store.remove(id))) throw noJob(id);
    this.#options.doers.stop(id);
  }

  /** @throws LossmeterError not_found */
  async require(id: number): Promise<Job> {
    const job = await this.store.job(id);
    if (job === undefined) throw noJob(id);
    return job;
  }

  /** Total of a job, as JSON text. @throws LossmeterError not_found, job_state */
  async requireTotal(id: number): Promise<{ job: Job; total: string }> {
    const job = await this.require(id);
    const total = job.state === 'succeeded' ? await this.store.total(id) : undefined;
    if (total !== undefined) return { job, total };
    throw new LossmeterError(
      'job_state',
      `the state of job ${id} is ${job.state}, expected succeeded: other jobs have no result`,
    );
  }
}

function requireChange(id: number, change: StateChange, what: string, allowed: string): Job {
  if (change === undefined) throw noJob(id);
  if (change.changed) return change.job;
  throw new LossmeterError(
    'job_state',
    `the state of job ${id} is ${change.job.state}, expected ${allowed}: the job cannot be ${what}`,
  );
}

function noJob(id: number): LossmeterError {
  return new LossmeterError('not_found', `there is no job ${id}`);
}
