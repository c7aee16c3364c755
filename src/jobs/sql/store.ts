import { JOB_STATES } from '../../contract/limits.ts';
import type { JobDatabase, JobParameter, JobQueries } from '../database.ts';
import { COMBINATION, isActive } from '../job.ts';
import type { FileResult, FileTask, Job, JobState, TaskError, TaskKey } from '../job.ts';
import type {
  AnswerPage,
  FailedFile,
  JobCounts,
  JobLimits,
  JobPage,
  JobStore,
  NewJob,
  PartialPage,
  StateChange,
} from '../store.ts';
import { IS_ACTIVE, createJob, deleteJob, requireRoom } from './create.ts';
import { JOB_COLUMNS, errorOf, toJob } from './rows.ts';
import { IS_TO_DO, beginTask, failTask, finishTask, lockJob } from './tasks.ts';

/** Maximum number of bytes of a page; a page with one value may be larger. */
const ANSWER_BYTES = 256 * 1024;
const PARTIAL_BYTES = 32 * 2 ** 20;

/** Maximum number of files of a page. */
const MOST_FILES = 256;

/** Options of a store. */
export interface SqlJobStoreOptions {
  /** Queues tasks in the transaction that creates them; without it the service calls `next`. */
  enqueue?: (queries: JobQueries, tasks: readonly TaskKey[]) => Promise<void>;
  /** Removes the tasks of a job from the queue, in the transaction that ends or removes the job. */
  dequeue?: (queries: JobQueries, job: number) => Promise<void>;
  /** Time in milliseconds since 1970. */
  now?: () => number;
}

const nothing = async (): Promise<void> => undefined;

/** Jobs in tables, by statements that PostgreSQL and SQLite have in common. */
export class SqlJobStore implements JobStore {
  readonly #database: JobDatabase;
  readonly #enqueue: NonNullable<SqlJobStoreOptions['enqueue']>;
  readonly #dequeue: NonNullable<SqlJobStoreOptions['dequeue']>;
  readonly #now: () => number;

  constructor(
    database: JobDatabase,
    { enqueue = nothing, dequeue = nothing, now = Date.now }: SqlJobStoreOptions = {},
  ) {
    this.#database = database;
    this.#enqueue = enqueue;
    this.#dequeue = dequeue;
    this.#now = now;
  }

  async create(order: NewJob, limits: JobLimits): Promise<Job> {
    return this.#database.transaction(async (queries) => {
      const job = await createJob(queries, order, { limits, now: this.#now() });
      await this.#enqueue(
        queries,
        order.files.map((_, place) => ({ job: job.id, place })),
      );
      return job;
    });
  }

  async job(id: number): Promise<Job | undefined> {
    const row = await this.#database.first(`SELECT ${JOB_COLUMNS} FROM lossmeter.jobs WHERE id = $1`, id);
    return row && toJob(row);
  }

  async jobs(state: JobState | undefined, limit: number, before: number | undefined): Promise<JobPage> {
    const values: JobParameter[] = [limit + 1, before ?? Number.MAX_SAFE_INTEGER];
    if (state !== undefined) values.push(state);
    const rows = await this.#database.rows(
      `SELECT ${JOB_COLUMNS} FROM lossmeter.jobs WHERE id < $2 ${state === undefined ? '' : 'AND state = $3'}
        ORDER BY id DESC LIMIT $1`,
      ...values,
    );
    const jobs = rows.slice(0, limit).map(toJob);
    return { jobs, next: rows.length > limit ? jobs.at(-1)!.id : undefined };
  }

  async failures(id: number, limit: number): Promise<FailedFile[]> {
    const rows = await this.#database.rows(
      "SELECT file, error FROM lossmeter.tasks WHERE job = $1 AND state = 'failed' ORDER BY place LIMIT $2",
      id,
      limit,
    );
    return rows.map((row) => ({ file: row['file'] as string, ...errorOf(row)! }));
  }

  async counts(): Promise<JobCounts> {
    const rows = await this.#database.rows(
      `SELECT state, count(*) AS jobs, coalesce(sum(files - done - failed), 0) AS tasks FROM lossmeter.jobs GROUP BY state`,
    );
    const byState = Object.fromEntries(JOB_STATES.map((state) => [state, 0])) as JobCounts['byState'];
    let tasks = 0;
    for (const row of rows) {
      const state = row['state'] as JobState;
      byState[state] = Number(row['jobs']);
      if (isActive(state)) tasks += Number(row['tasks']);
    }
    return { byState, tasks };
  }

  async cancel(id: number): Promise<StateChange> {
    return this.#change(id, async (queries, { state }) => {
      if (!isActive(state)) return false;
      await queries.rows(
        `UPDATE lossmeter.tasks SET state = 'cancelled', attempts = 0, answer = NULL, partial = NULL, error = NULL
          WHERE job = $1`,
        id,
      );
      await queries.rows(
        `UPDATE lossmeter.jobs SET state = 'cancelled', done = 0, failed = 0, done_bytes = 0, finished_at = $2,
          revision = revision + 1 WHERE id = $1`,
        id,
        this.#now(),
      );
      await this.#dequeue(queries, id);
      return true;
    });
  }

  async retry(id: number, limits: JobLimits): Promise<StateChange> {
    return this.#change(id, async (queries, { state, files, done }) => {
      if (state !== 'failed' && state !== 'cancelled') return false;
      await requireRoom(queries, files - done, limits);
      const rows = await queries.rows(
        `UPDATE lossmeter.tasks SET state = 'queued', attempts = 0, error = NULL WHERE job = $1 AND state <> 'done'
          RETURNING place`,
        id,
      );
      await queries.rows(
        `UPDATE lossmeter.jobs SET state = $2, failed = 0, error = NULL, finished_at = NULL, revision = revision + 1
          WHERE id = $1`,
        id,
        rows.length === 0 ? 'running' : 'queued',
      );
      const places = rows.map((row) => Number(row['place']));
      const tasks = places.length === 0 ? [COMBINATION] : places.toSorted((a, b) => a - b);
      await this.#enqueue(
        queries,
        tasks.map((place) => ({ job: id, place })),
      );
      return true;
    });
  }

  async remove(id: number): Promise<boolean> {
    return this.#database.transaction(async (queries) => {
      const isKnown = await deleteJob(queries, id);
      if (isKnown) await this.#dequeue(queries, id);
      return isKnown;
    });
  }

  async total(id: number): Promise<string | undefined> {
    const row = await this.#database.first('SELECT total FROM lossmeter.jobs WHERE id = $1', id);
    return (row?.['total'] ?? undefined) as string | undefined;
  }

  async answers(id: number, from: number): Promise<AnswerPage> {
    const { values, next } = await this.#page('answer', ANSWER_BYTES, id, from);
    return { answers: values as string[], next };
  }

  async partials(id: number, from: number): Promise<PartialPage> {
    const { values, next } = await this.#page('partial', PARTIAL_BYTES, id, from);
    return { partials: values as Uint8Array[], next };
  }

  async next(): Promise<TaskKey | undefined> {
    const ready = await this.#database.first(
      "SELECT id FROM lossmeter.jobs WHERE state = 'running' AND done = files ORDER BY id LIMIT 1",
    );
    if (ready !== undefined) return { job: Number(ready['id']), place: COMBINATION };
    const row = await this.#database.first(
      `SELECT job, place FROM lossmeter.tasks WHERE ${IS_TO_DO}
        AND job IN (SELECT id FROM lossmeter.jobs WHERE ${IS_ACTIVE}) ORDER BY job, place LIMIT 1`,
    );
    return row && { job: Number(row['job']), place: Number(row['place']) };
  }

  begin(key: TaskKey): Promise<FileTask | undefined> {
    return this.#database.transaction((queries) => beginTask(queries, key, this.#now()));
  }

  async attempts({ job, place }: TaskKey): Promise<number> {
    const row = await this.#database.first(
      'SELECT attempts FROM lossmeter.tasks WHERE job = $1 AND place = $2',
      job,
      place,
    );
    return Number(row?.['attempts'] ?? 0);
  }

  async finish(key: TaskKey, result: FileResult): Promise<void> {
    await this.#database.transaction(async (queries) => {
      const isLast = await finishTask(queries, key, result, this.#now());
      if (isLast) await this.#enqueue(queries, [{ job: key.job, place: COMBINATION }]);
    });
  }

  async fail(key: TaskKey, error: TaskError): Promise<void> {
    await this.#database.transaction((queries) => failTask(queries, key, error, this.#now()));
  }

  async combinable(id: number): Promise<Job | undefined> {
    const row = await this.#database.first(
      `SELECT ${JOB_COLUMNS} FROM lossmeter.jobs WHERE id = $1 AND state = 'running' AND done = files`,
      id,
    );
    return row && toJob(row);
  }

  async complete(id: number, total: string): Promise<void> {
    await this.#database.transaction(async (queries) => {
      const row = await queries.first(
        `UPDATE lossmeter.jobs SET state = 'succeeded', total = $2, finished_at = $3, revision = revision + 1
          WHERE id = $1 AND state = 'running' AND done = files RETURNING id`,
        id,
        total,
        this.#now(),
      );
      if (row !== undefined) await queries.rows('UPDATE lossmeter.tasks SET partial = NULL WHERE job = $1', id);
    });
  }

  close(): Promise<void> {
    return this.#database.close();
  }

  /** @param change resolves to false when the state of the job does not allow it */
  async #change(id: number, change: (queries: JobQueries, job: Job) => Promise<boolean>): Promise<StateChange> {
    return this.#database.transaction(async (queries) => {
      const job = await lockJob(queries, id);
      if (job === undefined) return undefined;
      const changed = await change(queries, job);
      return { job: changed ? (await lockJob(queries, id))! : job, changed };
    });
  }

  /** A page of values of consecutive files, limited by bytes and by MOST_FILES. */
  async #page(column: 'answer' | 'partial', mostBytes: number, id: number, from: number) {
    const sizes = await this.#database.rows(
      `SELECT place, coalesce(length(${column}), 0) AS size FROM lossmeter.tasks WHERE job = $1 AND place >= $2
        ORDER BY place LIMIT $3`,
      id,
      from,
      MOST_FILES,
    );
    let bytes = 0;
    const full = sizes.findIndex((row, k) => (bytes += Number(row['size'])) > mostBytes && k > 0);
    const count = full === -1 ? sizes.length : full;
    const next = from + count;
    const rows = await this.#database.rows(
      `SELECT ${column} AS value FROM lossmeter.tasks WHERE job = $1 AND place >= $2 AND place < $3
        AND ${column} IS NOT NULL ORDER BY place`,
      id,
      from,
      next,
    );
    const isEnd = full === -1 && sizes.length < MOST_FILES;
    return { values: rows.map((row) => row['value']!), next: isEnd ? undefined : next };
  }
}
