import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../../config.ts';
import { KernelPool } from '../../engine/pool.ts';
import { LossmeterError } from '../../errors.ts';
import { NamedFiles } from '../../files/named-files.ts';
import { divideMemory } from '../../pipeline/memory-shares.ts';
import { PostgresDatabase } from '../../runs/postgres/database.ts';
import { isLasting } from '../../runs/postgres/explain.ts';
import { HeldBytes } from '../../wire/body/held-bytes.ts';
import { COMBINATION } from '../job.ts';
import type { TaskKey } from '../job.ts';
import { TaskRunner } from '../runner.ts';
import { TaskQueue } from './queue.ts';
import { PostgresJobStore } from './store.ts';

/** Milliseconds between attempts to connect: the first pause and the longest one. */
const RETRY_MS = { first: 500, most: 10_000 };

/** Connections of the queue. */
const QUEUE_CONNECTIONS = 3;

/** Log of a worker. */
export interface WorkerLog {
  info: (text: string) => void;
  error: (text: string, error?: unknown) => void;
}

/** Runs tasks of jobs until it is closed. */
export class JobWorker {
  readonly #config: Config;
  readonly #log: WorkerLog;
  readonly #namedFiles: NamedFiles;
  readonly #database: PostgresDatabase;
  readonly #queue: TaskQueue;
  readonly #store: PostgresJobStore;
  readonly #runner: TaskRunner;
  readonly #pools = new Map<string, KernelPool>();
  readonly #closing = new AbortController();
  #starting: Promise<void> | undefined;

  /** @throws Error without a data directory */
  constructor(config: Config, log: WorkerLog) {
    const { dataDir, s3Buckets, store: url, workerTasks, maxBytesInFlight } = config;
    if (dataDir === undefined && s3Buckets === undefined) {
      throw new Error(
        'neither LOSSMETER_DATA_DIR nor LOSSMETER_S3_BUCKETS is set, expected the location of the files of jobs',
      );
    }
    this.#config = config;
    this.#log = log;
    this.#namedFiles = new NamedFiles(config);
    const onFault = (error: unknown): void => log.error('the task queue failed', error);
    this.#database = new PostgresDatabase({ url, connections: workerTasks + 1 });
    this.#queue = new TaskQueue({ url, connections: QUEUE_CONNECTIONS, isWorker: true, onFault });
    this.#store = new PostgresJobStore(this.#database, this.#queue);
    const held = new HeldBytes(divideMemory(maxBytesInFlight).maxHeldBytes);
    const means = { pool: (kernel: string) => this.#poolOf(kernel), held, namedFiles: this.#namedFiles };
    this.#runner = new TaskRunner(this.#store, means, (key, error) => log.error(`${nameOf(key)} failed`, error));
  }

  /** Connects, and begins to run tasks. @throws Error for a lasting fault of the database */
  async start(): Promise<void> {
    await this.#namedFiles.ready();
    this.#starting = this.#connect();
    await this.#starting;
  }

  /** Waits up to `drainSeconds` for the current tasks, and returns tasks that take longer to the queue. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#starting?.catch(() => undefined);
    await this.#queue.close(this.#config.drainSeconds);
    await this.#database.close();
    await this.#namedFiles.close();
    for (const pool of this.#pools.values()) await pool.close();
  }

  /** Repeats attempts to connect until the database answers, then runs tasks. */
  async #connect(): Promise<void> {
    const { signal } = this.#closing;
    for (let pause = RETRY_MS.first; !signal.aborted; pause = Math.min(2 * pause, RETRY_MS.most)) {
      try {
        await this.#database.open();
        await this.#queue.open();
        break;
      } catch (error) {
        if (isLasting(error)) throw error;
        this.#log.error(`waiting for the database: ${(error as Error).message}`);
        await sleep(pause, undefined, { signal }).catch(() => undefined);
      }
    }
    if (signal.aborted) return;
    const { workerTasks } = this.#config;
    await this.#queue.work(workerTasks, {
      run: async (key, attempt) => {
        const started = performance.now();
        const outcome = await this.#runner.run(key, attempt);
        this.#log.info(`${nameOf(key)}: ${outcome} after ${(performance.now() - started).toFixed(0)} ms`);
      },
      lose: async (key) => {
        const detail = 'every worker that began the file was lost, or had a temporary error';
        await this.#store.fail(key, { code: 'worker_lost', detail });
        this.#log.error(`${nameOf(key)}: failed, no further attempt: ${detail}`);
      },
    });
    this.#log.info(`ready for ${workerTasks} tasks at a time`);
  }

  /**
   * Pool of a kernel variant. Its threads start with the first task that uses the variant.
   * @throws LossmeterError worker_lost on a machine that does not support the variant: another worker may support it
   */
  #poolOf(kernel: string): KernelPool {
    const known = this.#pools.get(kernel);
    if (known !== undefined) return known;
    const { maxBytesInFlight, ...others } = this.#config;
    const { maxSlabBytes } = divideMemory(maxBytesInFlight);
    try {
      const pool = new KernelPool({ ...others, kernel: kernel as 'relaxed' | 'strict', maxSlabBytes });
      this.#pools.set(kernel, pool);
      return pool;
    } catch (cause) {
      const detail = `${(cause as Error).message}. The job requires this kernel, because the service that created the job uses it: start a worker on a machine that supports the kernel, or set LOSSMETER_KERNEL=strict for the service and create the job again`;
      throw new LossmeterError('worker_lost', detail, [], { cause });
    }
  }
}

function nameOf({ job, place }: TaskKey): string {
  return place === COMBINATION ? `the total of job ${job}` : `file ${place} of job ${job}`;
}
