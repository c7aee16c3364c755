import { LossmeterError } from '../errors.ts';

/** API key of a request, which becomes the owner of a new run. */
export interface Creator {
  /** Name of the key. */
  owner: string;
  /** Most runs that a key may own; undefined for any number. */
  mostRuns: number | undefined;
}

/** Error for a new run beyond the quota of its creator. */
export function overQuota(run: string, { owner, mostRuns }: Creator): LossmeterError {
  const detail = `the run ${run} cannot be created: the key ${owner} has created ${mostRuns} runs, the maximum of a key; delete some`;
  return new LossmeterError('quota_exceeded', detail);
}
