/** Orders of the list of runs. */
export const RUN_SORTS = ['newest', 'oldest', 'name', 'updated'] as const;

export type RunSort = (typeof RUN_SORTS)[number];

export interface RunQuery {
  /** Words that occur in names and labels; empty for all runs. */
  search: string;
  sort: RunSort;
}
