/** A job evaluates many files. It is divided into tasks, one for each file. */
import type { JOB_KINDS } from '../contract/jobs.ts';
import type { JOB_STATES } from '../contract/limits.ts';

export type JobKind = (typeof JOB_KINDS)[number];
export type JobState = (typeof JOB_STATES)[number];

/** True for a job with tasks to do. */
export const isActive = (state: JobState): boolean => state === 'queued' || state === 'running';

/** Parts of a job that its client specifies. */
export interface JobOrder {
  kind: JobKind;
  /** Options that override the options in the files, one by one. */
  options: Readonly<Record<string, unknown>>;
  /** Names of tensors by fields. */
  tensors: Readonly<Record<string, string>>;
}

/** A file of a job. Names are paths below the data directory. */
export interface JobFile {
  file: string;
  bytes: number;
  /** File of the reference; undefined when the file itself contains the reference. */
  reference?: string | undefined;
  /** Rows of the llama.cpp logit file that belong to this file. */
  referenceRows?: { first: number; count: number } | undefined;
}

/** An error of a task, or of the combination of its results. */
export interface TaskError {
  code: string;
  detail: string;
}

export interface Job extends JobOrder {
  id: number;
  state: JobState;
  /** Variant of the kernels that evaluate all files: the bits depend on it. */
  kernel: string;
  files: number;
  done: number;
  failed: number;
  bytes: number;
  doneBytes: number;
  createdAt: number;
  startedAt: number | undefined;
  finishedAt: number | undefined;
  /** Number of changes of the job. */
  revision: number;
  /** Error of the combination of its results. */
  error: TaskError | undefined;
}

/** Identity of a task. Files have the places 0, 1, …; the combination of the results comes at the end. */
export interface TaskKey {
  job: number;
  place: number;
}

/** Place of the task that combines the results of all files. */
export const COMBINATION = -1;

/** A task that has begun. */
export interface FileTask extends TaskKey, JobFile {
  order: JobOrder;
  kernel: string;
}

/** Result of a file. */
export interface FileResult {
  /** Answer of the service for the file, as JSON text. */
  answer: string;
  /** The result in the form in which it can be combined: see partial.ts. */
  partial: Uint8Array;
}
