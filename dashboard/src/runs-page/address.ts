import { RUN_SORTS } from '../api/run-query.ts';
import type { RunQuery } from '../api/run-query.ts';
import { formatNames, parseNames } from '../routing/names.ts';

/** Columns that are shown without a choice. */
const STANDARD_COLUMNS: readonly string[] = ['status', 'curve', 'last', 'best', 'steps', 'updated'];

/** The list as it is shown. */
export interface ListView extends RunQuery {
  /** Ids of the columns. */
  columns: readonly string[];
  /** Label by which runs are grouped. */
  group: string | undefined;
}

/** The list in the address: `q`, `sort`, `columns` and `group`. */
export function parseView(parameters: URLSearchParams): ListView {
  const columns = parameters.get('columns');
  return {
    search: parameters.get('q') ?? '',
    sort: RUN_SORTS.find((known) => known === parameters.get('sort')) ?? 'newest',
    columns: columns === null ? STANDARD_COLUMNS : parseNames(columns),
    group: parameters.get('group') ?? undefined,
  };
}

/** Formats what differs from the default. */
export function formatView({ search, sort, columns, group }: ListView): URLSearchParams {
  const isStandard = columns.join('\n') === STANDARD_COLUMNS.join('\n');
  return new URLSearchParams({
    ...(search !== '' && { q: search }),
    ...(sort !== 'newest' && { sort }),
    ...(!isStandard && { columns: formatNames(columns) }),
    ...(group !== undefined && { group }),
  });
}
