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
  const detail = `${run} would be a new run: the key ${owner} has created ${mostRuns} runs, as many as a key may have; delete some`;
  return new LossmeterError('quota_exceeded', detail);
}
