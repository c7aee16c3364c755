import type { FileResult, FileTask, Job, JobFile, JobOrder, JobState, TaskError, TaskKey } from './job.ts';

/** A job to create. */
export interface NewJob extends JobOrder {
  kernel: string;
  files: readonly JobFile[];
}

/** Limits of the stored jobs. */
export interface JobLimits {
  maxJobs: number;
  /** Maximum number of pending files of all jobs. */
  maxJobTasks: number;
}

export interface JobPage {
  jobs: Job[];
  /** Id of the last job of the page; undefined at the end of the list. */
  next: number | undefined;
}

/** A file that could not be evaluated. */
export interface FailedFile extends TaskError {
  file: string;
}

/** Answers for some files, as JSON texts. */
export interface AnswerPage {
  answers: string[];
  /** Place of the next file; undefined at the end. */
  next: number | undefined;
}

/** Partials of some files. */
export interface PartialPage {
  partials: Uint8Array[];
  next: number | undefined;
}

/** Numbers for metrics. */
export interface JobCounts {
  byState: Record<JobState, number>;
  /** Number of files that are queued or running. */
  tasks: number;
}

/** Outcome of a change that only some states allow. */
export type StateChange = { job: Job; changed: boolean } | undefined;

/** Jobs with their tasks and results. Methods reject with LossmeterError store_unavailable for temporary faults. */
export interface JobStore {
  /** @throws LossmeterError overloaded when too many files are queued, or too many jobs are stored */
  create(job: NewJob, limits: JobLimits): Promise<Job>;
  job(id: number): Promise<Job | undefined>;
  /** Jobs from the newest to the oldest. @param before id of the last job of the previous page */
  jobs(state: JobState | undefined, limit: number, before: number | undefined): Promise<JobPage>;
  /** The first files that failed. */
  failures(id: number, limit: number): Promise<FailedFile[]>;
  counts(): Promise<JobCounts>;
  /** Stops an active job and deletes its results. */
  cancel(id: number): Promise<StateChange>;
  /**
   * Queues the failed files of a failed job again, or all files of a cancelled one.
   * @throws LossmeterError overloaded when too many files are queued
   */
  retry(id: number, limits: JobLimits): Promise<StateChange>;
  /** Removes a job with its tasks and results. Resolves to false for an unknown job. */
  remove(id: number): Promise<boolean>;

  /** Total of a job that succeeded, as JSON text. */
  total(id: number): Promise<string | undefined>;
  /** Answers of files from a place on. */
  answers(id: number, from: number): Promise<AnswerPage>;

  /** The next task of any job; undefined when there is none. */
  next(): Promise<TaskKey | undefined>;
  /** Begins the evaluation of a file; undefined when its result is not wanted any more. */
  begin(key: TaskKey): Promise<FileTask | undefined>;
  /** Number of times that a task was begun. */
  attempts(key: TaskKey): Promise<number>;
  /** Stores the result of a file. A repetition has no effect. */
  finish(key: TaskKey, result: FileResult): Promise<void>;
  /** Stores the error of a task, which may be the combination. A repetition has no effect. */
  fail(key: TaskKey, error: TaskError): Promise<void>;
  /** The job whose results are to be combined; undefined when they are combined, or the job is not active. */
  combinable(id: number): Promise<Job | undefined>;
  /** Partials of files from a place on. */
  partials(id: number, from: number): Promise<PartialPage>;
  /** Stores the total, as JSON text, and deletes the partials. A repetition has no effect. */
  complete(id: number, total: string): Promise<void>;

  close(): Promise<void>;
}
