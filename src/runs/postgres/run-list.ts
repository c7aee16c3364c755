import { isActive } from '../activity.ts';
import type { RunSummary } from '../record.ts';
import type { RunSort } from '../../contract/runs.ts';
import type { RunPlace, RunQuery } from '../run-query.ts';
import { toMetadata } from '../rows.ts';
import type { Row } from '../rows.ts';
import { matches, wordsOf } from '../search.ts';
import { MOST_LABELS, MOST_RUNS } from '../store.ts';
import type { RunCounts, RunPage } from '../store.ts';
import type { Queries } from './database.ts';
import { NOT_REMOVED } from './removal.ts';
import { summariesOf } from './summary.ts';

/** Rows of one statement of a scan. */
const ROWS_AT_ONCE = 500;

interface Order {
  /** Condition for rows after a place, with its keys from $2 on. An index has them in this order. */
  after: string;
  by: string;
  placeOf: (row: Row) => RunPlace;
  /** A place before all runs. */
  start: RunPlace;
}

const FIRST = Number.MAX_SAFE_INTEGER;

const ORDERS: Readonly<Record<RunSort, Order>> = {
  newest: { after: 'id < $2', by: 'id DESC', start: [FIRST], placeOf: ({ id }) => [Number(id)] },
  oldest: { after: 'id > $2', by: 'id', start: [0], placeOf: ({ id }) => [Number(id)] },
  name: { after: 'name > $2', by: 'name', start: [''], placeOf: ({ name }) => [name as string] },
  updated: {
    after: '(updated_at, id) < ($2, $3)',
    by: 'updated_at DESC, id DESC',
    start: [FIRST, FIRST],
    placeOf: (row) => [Number(row['updated_at']), Number(row['id'])],
  },
};

/** A matching run. */
interface Found {
  id: number;
  place: RunPlace;
}

/**
 * Lists runs.
 * @param after place after which the page begins; undefined for the first page, which counts all matching runs
 */
export async function listRuns(
  queries: Queries,
  { search, sort }: RunQuery,
  { limit, after, now }: { limit: number; after: RunPlace | undefined; now: number },
): Promise<RunPage> {
  const words = wordsOf(search);
  const most = Math.min(limit, MOST_RUNS);
  const found: Found[] = [];
  for await (const row of scan(queries, { sort, words, after, pageRows: most + 1 })) {
    found.push({ id: Number(row['id']), place: ORDERS[sort].placeOf(row) });
    if (found.length > most) break;
  }
  const counts = after === undefined ? await countRuns(queries, words, now) : undefined;
  const shown = found.slice(0, most);
  const summaries = await summariesOf(
    queries,
    shown.map(({ id }) => id),
  );
  const runs: RunSummary[] = [];
  let taken = 0;
  for (let characters = 0; taken < shown.length && characters <= MOST_LABELS; taken++) {
    const summary = summaries.get(shown[taken]!.id);
    if (summary === undefined) continue;
    characters += JSON.stringify(summary.labels).length;
    runs.push(summary);
  }
  return { runs, next: taken < found.length ? found[taken - 1]!.place : undefined, counts };
}

/** Counts runs in the order of their ids, which never change. */
async function countRuns(queries: Queries, words: readonly string[], now: number): Promise<RunCounts> {
  const counts: RunCounts = { total: 0, active: 0, nonFinite: 0 };
  for await (const row of scan(queries, { sort: 'newest', words, after: undefined, pageRows: ROWS_AT_ONCE })) {
    counts.total++;
    if (isActive({ updatedAt: Number(row['updated_at']), batches: Number(row['batches']) }, now)) counts.active++;
    if (Number(row['non_finite_steps']) > 0) counts.nonFinite++;
  }
  return counts;
}

/** The matching runs in their order, read page by page. */
async function* scan(
  queries: Queries,
  {
    sort,
    words,
    after,
    pageRows,
  }: { sort: RunSort; words: readonly string[]; after: RunPlace | undefined; pageRows: number },
): AsyncGenerator<Row, void> {
  const order = ORDERS[sort];
  const columns = `id, name, updated_at, batches, non_finite_steps${words.length > 0 ? ', labels' : ''}`;
  const sql = `SELECT ${columns} FROM lossmeter.runs WHERE ${NOT_REMOVED} AND ${order.after} ORDER BY ${order.by} LIMIT $1`;
  const most = words.length > 0 ? ROWS_AT_ONCE : pageRows;
  for (let place = after ?? order.start; ;) {
    const rows = await queries.rows(sql, most, ...place);
    for (const row of rows) if (isMatch(row, words)) yield row;
    if (rows.length < most) return;
    place = order.placeOf(rows.at(-1)!);
  }
}

function isMatch(row: Row, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  return matches({ run: row['name'] as string, labels: toMetadata(row).labels ?? {} }, words);
}
