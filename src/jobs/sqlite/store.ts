import { extname } from 'node:path';
import { Piscina } from 'piscina';
import { LossmeterError } from '../../errors.ts';
import { replaceLostThreads } from '../../lost-threads.ts';
import { unpackFailure } from '../../runs/sqlite/failure.ts';
import type { FileResult, JobState, TaskError, TaskKey } from '../job.ts';
import type { JobLimits, JobStore, NewJob } from '../store.ts';
import type { JobCall, JobReply } from './worker.ts';

/** Memory limit of the thread for JavaScript values, in megabytes. */
const MAX_HEAP_MB = 256;

type Reply<M extends keyof JobStore> = ReturnType<JobStore[M]>;

/** Path of the file of the jobs, in the same folder as the history. */
export const jobsPathOf = (store: string): string => (store === ':memory:' ? store : `${store}-jobs`);

/** Jobs in a SQLite file, which a separate thread reads and writes. */
export class SqliteJobStore implements JobStore {
  readonly #piscina: Piscina<JobCall, JobReply>;

  /** @param path of a file, created when missing; or `:memory:` */
  constructor(path: string) {
    this.#piscina = new Piscina({
      filename: new URL(`./worker${extname(import.meta.url)}`, import.meta.url).href,
      minThreads: 1,
      maxThreads: 1,
      workerData: { path },
      recordTiming: false,
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB, maxYoungGenerationSizeMb: 16 },
    });
    // An idle thread that fails reports it here; without a listener the event ends the process.
    this.#piscina.on('error', () => undefined);
    replaceLostThreads(this.#piscina, () => this.#call('open'));
  }

  /** @throws Error when the file cannot be used */
  async open(): Promise<void> {
    await this.#call('open');
  }

  create = (job: NewJob, limits: JobLimits): Reply<'create'> => this.#call('create', job, limits);
  job = (id: number): Reply<'job'> => this.#call('job', id);
  jobs = (state: JobState | undefined, limit: number, before: number | undefined): Reply<'jobs'> =>
    this.#call('jobs', state, limit, before);
  failures = (id: number, limit: number): Reply<'failures'> => this.#call('failures', id, limit);
  counts = (): Reply<'counts'> => this.#call('counts');
  cancel = (id: number): Reply<'cancel'> => this.#call('cancel', id);
  retry = (id: number, limits: JobLimits): Reply<'retry'> => this.#call('retry', id, limits);
  remove = (id: number): Reply<'remove'> => this.#call('remove', id);
  total = (id: number): Reply<'total'> => this.#call('total', id);
  answers = (id: number, from: number): Reply<'answers'> => this.#call('answers', id, from);
  next = (): Reply<'next'> => this.#call('next');
  begin = (key: TaskKey): Reply<'begin'> => this.#call('begin', key);
  attempts = (key: TaskKey): Reply<'attempts'> => this.#call('attempts', key);
  finish = (key: TaskKey, result: FileResult): Reply<'finish'> => this.#call('finish', key, result);
  fail = (key: TaskKey, error: TaskError): Reply<'fail'> => this.#call('fail', key, error);
  combinable = (id: number): Reply<'combinable'> => this.#call('combinable', id);
  partials = (id: number, from: number): Reply<'partials'> => this.#call('partials', id, from);
  complete = (id: number, total: string): Reply<'complete'> => this.#call('complete', id, total);

  async close(): Promise<void> {
    await this.#call('close').catch(() => undefined);
    await this.#piscina.close();
  }

  async #call<R>(method: JobCall['method'], ...args: unknown[]): Promise<R> {
    const reply = await this.#piscina.run({ method, args }).catch((cause: unknown) => {
      const detail = 'the thread that keeps the jobs ended; repeat the request';
      throw new LossmeterError('store_unavailable', detail, [], { cause });
    });
    if ('failure' in reply) throw unpackFailure(reply.failure);
    return reply.value as R;
  }
}
