import { RUN_SORTS } from '../api/run-query.ts';
import type { RunQuery } from '../api/run-query.ts';

/** Search and order of the list in the address: `q` and `sort`. */
export function parseQuery(parameters: URLSearchParams): RunQuery {
  const sort = RUN_SORTS.find((known) => known === parameters.get('sort')) ?? 'newest';
  return { search: parameters.get('q') ?? '', sort };
}

/** Formats what differs from the default. */
export function formatQuery({ search, sort }: RunQuery): URLSearchParams {
  return new URLSearchParams({ ...(search !== '' && { q: search }), ...(sort !== 'newest' && { sort }) });
}
