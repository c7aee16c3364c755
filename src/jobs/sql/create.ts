import { LossmeterError } from '../../errors.ts';
import type { Job, JobFile } from '../job.ts';
import type { JobLimits, NewJob } from '../store.ts';
import type { JobParameter, JobQueries } from '../database.ts';
import { JOB_COLUMNS, toJob } from './rows.ts';

/** Condition for jobs with tasks to do. */
export const IS_ACTIVE = "state IN ('queued', 'running')";

/** Numbers of tasks per statement. A few prepared statements can insert any number of tasks. */
const CHUNKS = [500, 50, 5, 1];

const TASK_COLUMNS = ['job', 'place', 'file', 'bytes', 'reference', 'first_row', 'row_count'] as const;

/** Creates a job with its tasks. @throws LossmeterError overloaded */
export async function createJob(
  queries: JobQueries,
  { kind, kernel, options, tensors, files }: NewJob,
  { limits, now }: { limits: JobLimits; now: number },
): Promise<Job> {
  await makeRoom(queries, files.length, limits);
  const row = await queries.first(
    `INSERT INTO lossmeter.jobs (kind, state, kernel, options, tensors, files, bytes, created_at)
      VALUES ($1, 'queued', $2, $3, $4, $5, $6, $7) RETURNING ${JOB_COLUMNS}`,
    kind,
    kernel,
    JSON.stringify(options),
    JSON.stringify(tensors),
    files.length,
    files.reduce((sum, { bytes }) => sum + bytes, 0),
    now,
  );
  const job = toJob(row!);
  for (let place = 0; place < files.length;) {
    const count = CHUNKS.find((size) => size <= files.length - place)!;
    await insertTasks(queries, job.id, files, { from: place, count });
    place += count;
  }
  return job;
}

async function insertTasks(
  queries: JobQueries,
  job: number,
  files: readonly JobFile[],
  { from, count }: { from: number; count: number },
): Promise<void> {
  const width = TASK_COLUMNS.length;
  const groups = Array.from(
    { length: count },
    (_, k) => `(${TASK_COLUMNS.map((__, column) => `$${k * width + column + 1}`).join(', ')})`,
  );
  const values = files
    .slice(from, from + count)
    .flatMap(({ file, bytes, reference, referenceRows }, k): JobParameter[] => {
      const { first = null, count: rows = null } = referenceRows ?? {};
      return [job, from + k, file, bytes, reference ?? null, first, rows];
    });
  await queries.rows(`INSERT INTO lossmeter.tasks (${TASK_COLUMNS.join(', ')}) VALUES ${groups.join(', ')}`, ...values);
}

/**
 * Checks that further files may be queued.
 * @returns number of stored jobs @throws LossmeterError overloaded
 */
export async function requireRoom(
  queries: JobQueries,
  files: number,
  { maxJobTasks }: Pick<JobLimits, 'maxJobTasks'>,
): Promise<number> {
  const row = await queries.first(
    `SELECT count(*) AS jobs, coalesce(sum(CASE WHEN ${IS_ACTIVE} THEN files - done - failed ELSE 0 END), 0) AS tasks
      FROM lossmeter.jobs`,
  );
  const tasks = Number(row!['tasks']);
  if (tasks + files <= maxJobTasks) return Number(row!['jobs']);
  const detail = `the job has ${files} files, and ${tasks} files of other jobs are pending: expected at most ${maxJobTasks} together`;
  throw new LossmeterError('overloaded', detail);
}

/** Removes the oldest ended jobs when too many jobs are stored. @throws LossmeterError overloaded */
async function makeRoom(queries: JobQueries, files: number, limits: JobLimits): Promise<void> {
  const jobs = await requireRoom(queries, files, limits);
  const { maxJobs } = limits;
  if (jobs < maxJobs) return;
  const ended = await queries.rows(
    `SELECT id FROM lossmeter.jobs WHERE NOT (${IS_ACTIVE}) ORDER BY id LIMIT $1`,
    jobs - maxJobs + 1,
  );
  if (jobs - ended.length >= maxJobs) {
    throw new LossmeterError('overloaded', `${jobs} jobs are kept, the maximum, and none of them has ended`);
  }
  for (const { id } of ended) await deleteJob(queries, Number(id));
}

/** @returns false for an unknown job */
export async function deleteJob(queries: JobQueries, id: number): Promise<boolean> {
  const row = await queries.first('DELETE FROM lossmeter.jobs WHERE id = $1 RETURNING id', id);
  await queries.rows('DELETE FROM lossmeter.tasks WHERE job = $1', id);
  return row !== undefined;
}
