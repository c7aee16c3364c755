import { ARCHIVED_CHOICES, NEWEST_RUNS, RUN_SORTS, RUN_STATES } from '../api/run-query.ts';
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

/** The list without any choice. */
export const STANDARD_VIEW: ListView = { ...NEWEST_RUNS, columns: STANDARD_COLUMNS, group: undefined };

/** The list in the address: `q`, `sort`, `state`, `tag`, `archived`, `columns` and `group`. */
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

/** Formats what differs from the default. */
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
