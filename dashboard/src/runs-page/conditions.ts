import type { RunQuery } from '../api/run-query.ts';

/** Describes the conditions of a list of runs; empty when all runs match. */
export function conditionsOf({ search, state, tags, archived }: RunQuery): string {
  const conditions = [
    search.trim() !== '' && `“${search}”`,
    state !== undefined && `state ${state}`,
    ...tags.map((tag) => `tag “${tag}”`),
    archived === 'true' && 'archived',
  ];
  return conditions.filter((condition) => condition !== false).join(', ');
}
