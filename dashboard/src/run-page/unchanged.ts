import type { RunSummary } from '../api/types.ts';

type Recorded = Pick<RunSummary, 'updated_at' | 'batches'>;

/** Returns true when nothing was recorded between two reads of a run. Two batches may have the same time. */
export const isUnchanged = (before: Recorded | undefined, after: Recorded): boolean =>
  before?.updated_at === after.updated_at && before.batches === after.batches;
