import type { Job as WireJob } from '../contract/jobs.ts';
import type { Job } from './job.ts';
import type { FailedFile } from './store.ts';

const time = (milliseconds: number): string => new Date(milliseconds).toISOString();

/** Converts a job to its form in answers. */
export function wireJob(job: Job, failures?: readonly FailedFile[]): WireJob {
  const { id, kind, state, kernel, options, tensors, files, done, failed, bytes, doneBytes, error } = job;
  return {
    id,
    kind,
    state,
    kernel: kernel as WireJob['kernel'],
    options,
    tensors,
    files: {
      total: files,
      done,
      failed,
    },
    bytes: {
      total: bytes,
      done: doneBytes,
    },
    created_at: time(job.createdAt),
    ...(job.startedAt !== undefined && { started_at: time(job.startedAt) }),
    ...(job.finishedAt !== undefined && { finished_at: time(job.finishedAt) }),
    ...(failures && failures.length > 0 && { failures: [...failures] }),
    ...(error && { error }),
  };
}
