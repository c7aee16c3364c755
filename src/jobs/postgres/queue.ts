import { PgBoss } from 'pg-boss';
import type { Job as QueuedTask } from 'pg-boss';
import { LossmeterError } from '../../errors.ts';
import type { JobParameter, JobQueries } from '../database.ts';
import type { TaskKey } from '../job.ts';

/** Schema of the queue, separate from the schema `lossmeter`. */
const SCHEMA = 'lossmeter_queue';

/** Names of the queue of tasks, and of the queue of tasks that were given up because their workers were lost. */
const TASKS = 'tasks';
const LOST = 'lost_tasks';

/** Maximum number of attempts of a task. A temporary error or the loss of its worker ends an attempt. */
const ATTEMPTS = 5;

/**
 * Seconds without a heartbeat after which a worker loses its task, between two heartbeats, and between two searches for
 * lost tasks. Another worker begins the task at most 20 seconds after the end of the first worker.
 */
const HEARTBEAT_SECONDS = 10;
const REFRESH_SECONDS = 3;
const LOOK_SECONDS = 5;

/** Seconds between two polls for new tasks. */
const POLL_SECONDS = 0.5;

/** Seconds that a task may run, and seconds for which the queue keeps a waiting task and an ended task. */
const LONGEST_SECONDS = 24 * 3600;
const WAITING_SECONDS = 365 * 24 * 3600;
const ENDED_SECONDS = 600;

/** Number of tasks of a statement. */
const CHUNK = 1000;

/** Options of the tasks of a queue. */
const OPTIONS = {
  retryLimit: ATTEMPTS - 1,
  retryDelay: 1,
  retryBackoff: true,
  retryDelayMax: 60,
  heartbeatSeconds: HEARTBEAT_SECONDS,
  expireInSeconds: LONGEST_SECONDS,
  retentionSeconds: WAITING_SECONDS,
  deleteAfterSeconds: ENDED_SECONDS,
};

export interface QueueOptions {
  /** URL of the database. */
  url: string;
  /** Maximum number of connections of the queue. */
  connections: number;
  /** True for a process that also gives the tasks of lost workers to others. */
  isWorker: boolean;
  onFault: (error: unknown) => void;
}

/** An attempt at a task from the queue. */
interface Attempt {
  /** True when no further attempt follows. */
  isLast: boolean;
  /** Aborted when the task is given to another worker. */
  signal: AbortSignal;
}

/** Functions that handle tasks. */
export interface TaskHandlers {
  /** Runs a task. A rejection returns the task to the queue. */
  run: (key: TaskKey, attempt: Attempt) => Promise<void>;
  /** Records a task that was given up after its last attempt. */
  lose: (key: TaskKey) => Promise<void>;
}

/** Statements of a transaction, for pg-boss. */
const asDatabase = (queries: JobQueries) => ({
  executeSql: async (text: string, values: unknown[] = []) => ({
    rows: await queries.rows(text, ...(values as JobParameter[])),
  }),
});

/** Queue of tasks, by pg-boss in PostgreSQL. */
export class TaskQueue {
  readonly #boss: PgBoss;
  #starting: Promise<void> | undefined;

  constructor({ url, connections, isWorker, onFault }: QueueOptions) {
    this.#boss = new PgBoss({
      connectionString: url,
      schema: SCHEMA,
      application_name: 'lossmeter',
      max: connections,
      schedule: false,
      supervise: isWorker,
      superviseIntervalSeconds: LOOK_SECONDS,
      monitorIntervalSeconds: LOOK_SECONDS,
      maintenanceIntervalSeconds: ENDED_SECONDS,
    });
    this.#boss.on('error', onFault);
  }

  /** Creates the queues when they are missing. @throws LossmeterError store_unavailable */
  async open(): Promise<void> {
    this.#starting ??= this.#start().catch((cause: unknown) => {
      this.#starting = undefined;
      const detail = `the queue of tasks cannot be used: ${(cause as Error).message}`;
      throw new LossmeterError('store_unavailable', detail, [], { cause });
    });
    return this.#starting;
  }

  /** Queues tasks in a transaction. The queue must be open. */
  async add(queries: JobQueries, tasks: readonly TaskKey[]): Promise<void> {
    for (let at = 0; at < tasks.length; at += CHUNK) {
      const some = tasks.slice(at, at + CHUNK).map((data) => ({ data }));
      await this.#boss.insert(TASKS, some, { db: asDatabase(queries) });
    }
  }

  /** Removes the tasks of a job from the queue, in a transaction. The queue must be open. */
  async drop(queries: JobQueries, job: number): Promise<void> {
    const db = asDatabase(queries);
    for (;;) {
      const queued = await this.#boss.findJobs(TASKS, { data: { job }, queued: true, limit: CHUNK, db });
      if (queued.length === 0) return;
      const ids = queued.map(({ id }) => id);
      await this.#boss.deleteJob(TASKS, ids, { db });
    }
  }

  /** Runs at most `concurrency` tasks at a time, until the queue is closed. */
  async work(concurrency: number, handlers: TaskHandlers): Promise<void> {
    for (let k = 0; k < concurrency; k++) {
      const worker: string = await this.#boss.work<TaskKey>(
        TASKS,
        { pollingIntervalSeconds: POLL_SECONDS, heartbeatRefreshSeconds: REFRESH_SECONDS },
        async ([task]: QueuedTask<TaskKey>[]) => {
          const { data, retryCount, signal } = task!;
          await handlers.run(data, { isLast: retryCount >= ATTEMPTS - 1, signal });
          // More tasks may be queued, so the worker polls again at once.
          this.#boss.notifyWorker(worker);
        },
      );
    }
    await this.#boss.work<TaskKey>(LOST, { pollingIntervalSeconds: LOOK_SECONDS }, async ([task]) => {
      await handlers.lose(task!.data);
    });
  }

  /** Waits for the current tasks, and returns tasks that take longer to the queue. */
  async close(graceSeconds: number): Promise<void> {
    await this.#starting?.catch(() => undefined);
    await this.#boss.stop({ graceful: graceSeconds > 0, timeout: graceSeconds * 1000 });
  }

  async #start(): Promise<void> {
    await this.#boss.start();
    await this.#boss.createQueue(LOST, { retryLimit: ATTEMPTS, retentionSeconds: WAITING_SECONDS });
    await this.#boss.createQueue(TASKS, { ...OPTIONS, deadLetter: LOST });
  }
}
