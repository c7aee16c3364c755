import type { Row, Value } from '../../runs/rows.ts';
import type { FileTask, Job, JobKind, JobOrder, JobState, TaskError, TaskKey } from '../job.ts';

/** Columns of a job, without its result. */
export const JOB_COLUMNS =
  'id, kind, state, kernel, options, tensors, files, done, failed, bytes, done_bytes, created_at, started_at, finished_at, revision, error';

const optional = <T>(value: Value | undefined, read: (value: NonNullable<Value>) => T): T | undefined =>
  value === null || value === undefined ? undefined : read(value);

const parse = (value: Value | undefined): unknown => JSON.parse(value as string);

const orderOf = (row: Row): JobOrder => ({
  kind: row['kind'] as JobKind,
  options: parse(row['options']) as JobOrder['options'],
  tensors: parse(row['tensors']) as JobOrder['tensors'],
});

export const errorOf = (row: Row): TaskError | undefined => optional(row['error'], (text) => parse(text) as TaskError);

export function toJob(row: Row): Job {
  return {
    ...orderOf(row),
    id: Number(row['id']),
    state: row['state'] as JobState,
    kernel: row['kernel'] as string,
    files: Number(row['files']),
    done: Number(row['done']),
    failed: Number(row['failed']),
    bytes: Number(row['bytes']),
    doneBytes: Number(row['done_bytes']),
    createdAt: Number(row['created_at']),
    startedAt: optional(row['started_at'], Number),
    finishedAt: optional(row['finished_at'], Number),
    revision: Number(row['revision']),
    error: errorOf(row),
  };
}

export function toTask(key: TaskKey, row: Row): FileTask {
  const first = optional(row['first_row'], Number);
  return {
    ...key,
    order: orderOf(row),
    kernel: row['kernel'] as string,
    file: row['file'] as string,
    bytes: Number(row['bytes']),
    reference: optional(row['reference'], String),
    referenceRows: first === undefined ? undefined : { first, count: Number(row['row_count']) },
  };
}
