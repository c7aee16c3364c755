import { LossmeterError } from '../errors.ts';

/** The key that asks for a run, which owns the run when it is new. */
export interface Creator {
  /** Name of the key. */
  owner: string;
  /** Most runs that a key may own; undefined for any number. */
  mostRuns: number | undefined;
}

/** Refusal of a new run. */
export function overQuota(run: string, { owner, mostRuns }: Creator): LossmeterError {
  const detail = `the run ${run} cannot be created: the key ${owner} has created ${mostRuns} runs, the maximum of a key; delete some`;
  return new LossmeterError('quota_exceeded', detail);
}
