import { ACTIVE_MS } from '../activity.ts';
import { addTo, conditionsOf, matcherOf } from '../matching.ts';
import type { Matcher } from '../matching.ts';
import type { RunSummary } from '../record.ts';
import type { RunSort } from '../../contract/runs.ts';
import type { RunPlace, RunQuery } from '../run-query.ts';
import type { Row } from '../rows.ts';
import { MOST_RUNS, MOST_TEXT, textLength } from '../store.ts';
import type { RunCounts, RunPage } from '../store.ts';
import type { Queries } from './database.ts';
import { NOT_REMOVED } from './removal.ts';
import { summariesOf } from './summary.ts';

/** Most rows of one statement of a scan. */
const ROWS_AT_ONCE = 500;

interface Order {
  /** SQL condition for rows after a place, whose keys are the parameters from $2 on. An index provides this order. */
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
  query: RunQuery,
  { limit, after, now }: { limit: number; after: RunPlace | undefined; now: number },
): Promise<RunPage> {
  const selection = selectionOf(query, now);
  const most = Math.min(limit, MOST_RUNS);
  const found: Found[] = [];
  for await (const row of scan(queries, selection, { after, pageRows: most + 1 })) {
    found.push({ id: Number(row['id']), place: selection.order.placeOf(row) });
    if (found.length > most) break;
  }
  const counts = after === undefined ? await countRuns(queries, query, now) : undefined;
  const shown = found.slice(0, most);
  const summaries = await summariesOf(
    queries,
    shown.map(({ id }) => id),
  );
  const runs: RunSummary[] = [];
  let taken = 0;
  for (let characters = 0; taken < shown.length && characters <= MOST_TEXT; taken++) {
    const summary = summaries.get(shown[taken]!.id);
    if (summary === undefined) continue;
    characters += textLength(summary);
    runs.push(summary);
  }
  return { runs, next: taken < found.length ? found[taken - 1]!.place : undefined, counts };
}

/** Counts matching runs: in SQL for a plain query, otherwise by a scan in the order of their ids, which never change. */
async function countRuns(queries: Queries, query: RunQuery, now: number): Promise<RunCounts> {
  const selection = selectionOf({ ...query, sort: 'newest' }, now);
  if (selection.isPlain) return countPlain(queries, selection, now);
  const counts: RunCounts = { total: 0, active: 0, nonFinite: 0 };
  for await (const row of scan(queries, selection, { after: undefined, pageRows: ROWS_AT_ONCE }))
    addTo(counts, row, now);
  return counts;
}

async function countPlain(queries: Queries, { conditions }: Selection, now: number): Promise<RunCounts> {
  const row = await queries.first(
    `SELECT count(*) AS total, count(*) FILTER (WHERE updated_at > $1 AND batches > 0) AS active,
        count(*) FILTER (WHERE non_finite_steps > 0) AS non_finite
      FROM lossmeter.runs WHERE ${conditions.join(' AND ')}`,
    now - ACTIVE_MS,
  );
  return { total: Number(row!['total']), active: Number(row!['active']), nonFinite: Number(row!['non_finite']) };
}

/** SQL conditions that find the runs of a query, and the exact test of the rows that they select. */
interface Selection extends Matcher {
  order: Order;
  conditions: string[];
  /** Parameters after the keys of the place. */
  texts: string[];
}

function selectionOf(query: RunQuery, now: number): Selection {
  const order = ORDERS[query.sort];
  const texts: string[] = [];
  const conditions = conditionsOf(query, (column, text) => {
    texts.push(text);
    return `strpos(${column}, $${1 + order.start.length + texts.length}) > 0`;
  });
  return { ...matcherOf(query, now), order, conditions: [NOT_REMOVED, ...conditions], texts };
}

/** The matching runs in their order, read page by page. */
async function* scan(
  queries: Queries,
  { order, columns, conditions, texts, matches, isPlain }: Selection,
  { after, pageRows }: { after: RunPlace | undefined; pageRows: number },
): AsyncGenerator<Row, void> {
  const where = [...conditions, order.after].join(' AND ');
  const sql = `SELECT ${columns} FROM lossmeter.runs WHERE ${where} ORDER BY ${order.by} LIMIT $1`;
  const most = isPlain ? pageRows : ROWS_AT_ONCE;
  for (let place = after ?? order.start; ;) {
    const rows = await queries.rows(sql, most, ...place, ...texts);
    for (const row of rows) if (matches(row)) yield row;
    if (rows.length < most) return;
    place = order.placeOf(rows.at(-1)!);
  }
}
