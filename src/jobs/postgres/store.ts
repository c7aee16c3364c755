import type { Config } from '../../config.ts';
import { PostgresDatabase } from '../../runs/postgres/database.ts';
import type { FileResult, Job, TaskKey } from '../job.ts';
import type { TaskDoers } from '../service.ts';
import { SqlJobStore } from '../sql/store.ts';
import type { JobLimits, NewJob, StateChange } from '../store.ts';
import { TaskQueue } from './queue.ts';

/** Number of connections of a service for jobs, and number for their queue. */
const CONNECTIONS = 2;

/** Jobs in a PostgreSQL database. Their tasks are in a queue of the same database. */
export class PostgresJobStore extends SqlJobStore implements TaskDoers {
  readonly #queue: TaskQueue;

  constructor(database: PostgresDatabase, queue: TaskQueue) {
    super(database, {
      enqueue: (queries, tasks) => queue.add(queries, tasks),
      dequeue: (queries, job) => queue.drop(queries, job),
    });
    this.#queue = queue;
  }

  override async create(job: NewJob, limits: JobLimits): Promise<Job> {
    await this.#queue.open();
    return super.create(job, limits);
  }

  override async retry(id: number, limits: JobLimits): Promise<StateChange> {
    await this.#queue.open();
    return super.retry(id, limits);
  }

  override async cancel(id: number): Promise<StateChange> {
    await this.#queue.open();
    return super.cancel(id);
  }

  override async remove(id: number): Promise<boolean> {
    await this.#queue.open();
    return super.remove(id);
  }

  override async finish(key: TaskKey, result: FileResult): Promise<void> {
    await this.#queue.open();
    return super.finish(key, result);
  }

  /** Does nothing: workers poll for tasks. */
  readonly wake = (): void => undefined;

  /** Does nothing: workers poll the state of the job of their current task. */
  readonly stop = (): void => undefined;

  override async close(): Promise<void> {
    await this.#queue.close(0);
    await super.close();
  }
}

/** Opens the jobs of a service. The connection is made by the first call. */
export function openPostgresJobs({ store: url }: Config, onFault: (error: unknown) => void): PostgresJobStore {
  const database = new PostgresDatabase({ url, connections: CONNECTIONS });
  const queue = new TaskQueue({ url, connections: CONNECTIONS, isWorker: false, onFault });
  return new PostgresJobStore(database, queue);
}
