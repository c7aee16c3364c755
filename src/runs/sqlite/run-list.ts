import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RunSummary } from '../record.ts';
import type { RunSort } from '../../contract/runs.ts';
import { addTo, conditionsOf, matcherOf } from '../matching.ts';
import type { RunPlace, RunQuery } from '../run-query.ts';
import { MOST_RUNS, MOST_TEXT, textLength } from '../store.ts';
import type { RunCounts, RunPage } from '../store.ts';
import { REMOVED_PATTERN } from './removal.ts';
import { isRemoved } from '../removed.ts';
import type { Row } from '../rows.ts';
import type { Statements } from './statements.ts';
import { summarize } from './summary.ts';

/** Milliseconds after which a scan of the runs yields the thread. Concurrent scans share this time. */
const TURN_MS = 1;

interface Order {
  /** SQL conditions for rows after a place, whose keys are the parameters. Each condition uses an index. */
  ranges: readonly string[];
  by: string;
  /** A place before all runs. */
  start: RunPlace;
  placeOf: (row: Row) => RunPlace;
}

const FIRST = Number.MAX_SAFE_INTEGER;
const idOf = (row: Row): number => Number(row['id']);

/** Each order uses indexes, so a page does not read the pages before it. */
const ORDERS: Readonly<Record<RunSort, Order>> = {
  newest: { ranges: ['id < ?1'], by: 'id DESC', start: [FIRST], placeOf: (row) => [idOf(row)] },
  oldest: { ranges: ['id > ?1'], by: 'id', start: [0], placeOf: (row) => [idOf(row)] },
  name: { ranges: ['name > ?1'], by: 'name', start: [''], placeOf: (row) => [row['name'] as string] },
  updated: {
    // One index has the runs with steps, another the runs without. Ties have separate ranges: no row is read twice.
    ranges: ['steps > 0', 'steps = 0'].flatMap((part) => [
      `${part} AND updated_at < ?1`,
      `${part} AND updated_at = ?1 AND id < ?2`,
    ]),
    by: 'updated_at DESC, id DESC',
    start: [FIRST, FIRST],
    placeOf: (row) => [Number(row['updated_at']), idOf(row)],
  },
};

/** A matching run. */
interface Found {
  id: number;
  place: RunPlace;
}

export interface PageOfRuns {
  limit: number;
  /** Place after which the page begins; undefined for the first page, which counts all matching runs. */
  after: RunPlace | undefined;
  now: number;
}

/** Lists runs. The scans and the summaries yield the thread after each turn: runs may change in between. */
export async function listRuns(
  statements: Statements,
  query: RunQuery,
  { limit, after, now }: PageOfRuns,
): Promise<RunPage> {
  const selection = selectionOf(query, now);
  const most = Math.min(limit, MOST_RUNS);
  const found: Found[] = [];
  await scan(statements, selection, after, (row, place) => found.push({ id: idOf(row), place }) <= most);
  const counts = after === undefined ? await countRuns(statements, query, now) : undefined;
  const runs: RunSummary[] = [];
  let taken = 0;
  for (let characters = 0; taken < found.length && runs.length < most && characters <= MOST_TEXT; taken++) {
    const summary = statements.snapshot(() => {
      const { id } = found[taken]!;
      const row = statements.get('SELECT * FROM runs WHERE id = ? AND name NOT GLOB ?', id, REMOVED_PATTERN);
      return row && summarize(statements, row);
    });
    // Each summary takes about seventy look-ups.
    await nextTurn();
    if (summary === undefined) continue;
    characters += textLength(summary);
    runs.push(summary);
  }
  const last = found[taken - 1]?.place;
  // When a run vanished meanwhile, all found runs were taken, although others may follow.
  let hasMore = taken < found.length;
  if (!hasMore && found.length > most) {
    await scan(statements, selection, last, () => {
      hasMore = true;
      return false;
    });
  }
  return { runs, next: hasMore ? last : undefined, counts };
}

/** Counts runs in the order of their ids, which never change. */
async function countRuns(statements: Statements, query: RunQuery, now: number): Promise<RunCounts> {
  const counts: RunCounts = { total: 0, active: 0, nonFinite: 0 };
  await scan(statements, selectionOf({ ...query, sort: 'newest' }, now), undefined, (row) => {
    addTo(counts, row, now);
    return true;
  });
  return counts;
}

/** Statement that finds the runs of a query, and the exact test of the rows that it returns. */
interface Selection {
  order: Order;
  sql: string;
  /** Parameters after the keys of the place. */
  texts: string[];
  matches: (row: Row) => boolean;
}

function selectionOf(query: RunQuery, now: number): Selection {
  const order = ORDERS[query.sort];
  const { columns, matches } = matcherOf(query, now);
  const texts: string[] = [];
  const conditions = conditionsOf(query, (column, text) => {
    texts.push(text);
    return `instr(${column}, ?${order.start.length + texts.length}) > 0`;
  });
  const selects = order.ranges.map(
    (range) => `SELECT ${columns} FROM runs WHERE ${[range, ...conditions].join(' AND ')}`,
  );
  const sql = `${selects.join(' UNION ALL ')} ORDER BY ${order.by}`;
  return { order, sql, texts, matches: (row) => !isRemoved(row['name'] as string) && matches(row) };
}

/**
 * Passes the matching runs to `take`, in their order. Yields the thread after each turn.
 * @param take returns false to end the scan
 */
async function scan(
  statements: Statements,
  { order: { start, placeOf }, sql, texts, matches }: Selection,
  after: RunPlace | undefined,
  take: (row: Row, place: RunPlace) => boolean,
): Promise<void> {
  let place: RunPlace | undefined = after ?? start;
  while (place !== undefined) {
    place = scanTurn(statements.iterate(sql, ...place, ...texts));
    if (place !== undefined) await nextTurn();
  }

  /** Reads runs for one turn. Returns the place of the last run; undefined at the end of the scan. */
  function scanTurn(rows: Iterable<Row>): RunPlace | undefined {
    const end = performance.now() + TURN_MS;
    for (const row of rows) {
      const at = placeOf(row);
      if (matches(row) && !take(row, at)) return undefined;
      if (performance.now() > end) return at;
    }
    return undefined;
  }
}
