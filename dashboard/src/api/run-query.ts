/** Orders of the list of runs. */
export const RUN_SORTS = ['newest', 'oldest', 'name', 'updated'] as const;

export type RunSort = (typeof RUN_SORTS)[number];

/** States of runs. */
export const RUN_STATES = ['running', 'finished', 'failed', 'crashed', 'idle'] as const;

export type RunState = (typeof RUN_STATES)[number];

/** Choices of archived runs: without them, only them, or both. */
export const ARCHIVED_CHOICES = ['false', 'true', 'any'] as const;

export type ArchivedChoice = (typeof ARCHIVED_CHOICES)[number];

export interface RunQuery {
  /** Words that occur in names and labels; empty for all runs. */
  search: string;
  sort: RunSort;
  /** State of the runs; undefined for every state. */
  state: RunState | undefined;
  /** Tags that each of the runs has. */
  tags: readonly string[];
  archived: ArchivedChoice;
}

/** Default query: all runs that are not archived, the newest first. */
export const NEWEST_RUNS: RunQuery = { search: '', sort: 'newest', state: undefined, tags: [], archived: 'false' };
