/** Changes of tasks. Each change locks the row of its job first, so the changes of a job are sequential. */
import type { JobQueries } from '../database.ts';
import { COMBINATION, isActive } from '../job.ts';
import type { FileResult, FileTask, Job, TaskError, TaskKey } from '../job.ts';
import { JOB_COLUMNS, toJob, toTask } from './rows.ts';

/** Condition for tasks to do. */
export const IS_TO_DO = "state IN ('queued', 'running')";

/** The job, locked until the end of the transaction; undefined when there is none. */
export async function lockJob(queries: JobQueries, id: number): Promise<Job | undefined> {
  const row = await queries.first(`SELECT ${JOB_COLUMNS} FROM lossmeter.jobs WHERE id = $1 FOR UPDATE`, id);
  return row && toJob(row);
}

/** Begins the evaluation of a file; undefined when its result is not wanted any more. */
export async function beginTask(queries: JobQueries, key: TaskKey, now: number): Promise<FileTask | undefined> {
  const job = await lockJob(queries, key.job);
  if (job === undefined || !isActive(job.state)) return undefined;
  const row = await queries.first(
    `UPDATE lossmeter.tasks SET state = 'running', attempts = attempts + 1
      WHERE job = $1 AND place = $2 AND ${IS_TO_DO} RETURNING file, bytes, reference, first_row, row_count`,
    key.job,
    key.place,
  );
  if (row === undefined) return undefined;
  if (job.state === 'queued') {
    await queries.rows(
      `UPDATE lossmeter.jobs SET state = 'running', started_at = coalesce(started_at, $2), revision = revision + 1
        WHERE id = $1`,
      key.job,
      now,
    );
  }
  const { kind, options, tensors, kernel } = job;
  const order = { kind, options: JSON.stringify(options), tensors: JSON.stringify(tensors) };
  return toTask(key, { ...row, ...order, kernel });
}

/** Stores the result of a file. @returns true when it was the last one, and the results can be combined */
export async function finishTask(
  queries: JobQueries,
  key: TaskKey,
  { answer, partial }: FileResult,
  now: number,
): Promise<boolean> {
  return settle(queries, key, { column: 'done', now }, () =>
    queries.first(
      `UPDATE lossmeter.tasks SET state = 'done', answer = $3, partial = $4, error = NULL
        WHERE job = $1 AND place = $2 AND ${IS_TO_DO} RETURNING bytes`,
      key.job,
      key.place,
      answer,
      partial,
    ),
  );
}

/** Stores the error of a task. */
export async function failTask(queries: JobQueries, key: TaskKey, error: TaskError, now: number): Promise<void> {
  const text = JSON.stringify(error);
  if (key.place === COMBINATION) {
    await queries.rows(
      `UPDATE lossmeter.jobs SET state = 'failed', error = $2, finished_at = $3, revision = revision + 1
        WHERE id = $1 AND state = 'running'`,
      key.job,
      text,
      now,
    );
    return;
  }
  await settle(queries, key, { column: 'failed', now }, () =>
    queries.first(
      `UPDATE lossmeter.tasks SET state = 'failed', error = $3
        WHERE job = $1 AND place = $2 AND ${IS_TO_DO} RETURNING 0 AS bytes`,
      key.job,
      key.place,
      text,
    ),
  );
}

/** Counts an ended task once. @param change updates the task, and returns it unless it had ended before */
async function settle(
  queries: JobQueries,
  key: TaskKey,
  { column, now }: { column: 'done' | 'failed'; now: number },
  change: () => ReturnType<JobQueries['first']>,
): Promise<boolean> {
  const job = await lockJob(queries, key.job);
  if (job === undefined || !isActive(job.state)) return false;
  const row = await change();
  if (row === undefined) return false;
  job[column]++;
  const isLast = job.done + job.failed === job.files;
  const hasFailed = isLast && job.failed > 0;
  await queries.rows(
    `UPDATE lossmeter.jobs SET state = $2, done = $3, failed = $4, done_bytes = done_bytes + $5, finished_at = $6,
        revision = revision + 1 WHERE id = $1`,
    key.job,
    hasFailed ? 'failed' : 'running',
    job.done,
    job.failed,
    Number(row['bytes']),
    hasFailed ? now : null,
  );
  return isLast && !hasFailed;
}
