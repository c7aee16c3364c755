import { ARCHIVED_CHOICES, NEWEST_RUNS, RUN_SORTS, RUN_STATES } from '../api/run-query.ts';
import type { RunQuery } from '../api/run-query.ts';
import { formatNames, parseNames } from '../routing/names.ts';

/** Ids of the columns that are shown by default. */
const STANDARD_COLUMNS: readonly string[] = ['status', 'curve', 'last', 'best', 'steps', 'updated'];

/** Query, columns and grouping of the list. */
export interface ListView extends RunQuery {
  /** Ids of the columns. */
  columns: readonly string[];
  /** Label by which runs are grouped. */
  group: string | undefined;
}

/** Default view of the list. */
export const STANDARD_VIEW: ListView = { ...NEWEST_RUNS, columns: STANDARD_COLUMNS, group: undefined };

/** Parses the view in the address: `q`, `sort`, `state`, `tag`, `archived`, `columns` and `group`. */
export function parseView(parameters: URLSearchParams): ListView {
  const columns = parameters.get('columns');
  return {
    search: parameters.get('q') ?? '',
    sort: RUN_SORTS.find((known) => known === parameters.get('sort')) ?? 'newest',
    state: RUN_STATES.find((known) => known === parameters.get('state')),
    tags: parseNames(parameters.get('tag') ?? ''),
    archived: ARCHIVED_CHOICES.find((known) => known === parameters.get('archived')) ?? 'false',
    columns: columns === null ? STANDARD_COLUMNS : parseNames(columns),
    group: parameters.get('group') ?? undefined,
  };
}

/** Formats the parameters that differ from the default. */
export function formatView({ search, sort, state, tags, archived, columns, group }: ListView): URLSearchParams {
  const isStandard = columns.join('\n') === STANDARD_COLUMNS.join('\n');
  return new URLSearchParams({
    ...(search !== '' && { q: search }),
    ...(sort !== 'newest' && { sort }),
    ...(state !== undefined && { state }),
    ...(tags.length > 0 && { tag: formatNames(tags) }),
    ...(archived !== 'false' && { archived }),
    ...(!isStandard && { columns: formatNames(columns) }),
    ...(group !== undefined && { group }),
  });
}
