import { REMOVED } from '../removed.ts';
import { TABLES_OF_RUNS } from '../tables.ts';
import type { PostgresDatabase, Queries } from './database.ts';
import { PURGE_LOCK } from './locks.ts';

/** Most rows that one transaction deletes. */
const MOST_ROWS = 1000;

/** Condition for runs that are not being removed. */
export const NOT_REMOVED = `NOT starts_with(runs.name, '${REMOVED}')`;

/**
 * Removes a run from all replies at once; its rows stay until they are purged.
 * @returns false for an unknown run
 */
export async function unlink(queries: Queries, run: string): Promise<boolean> {
  const sql = `UPDATE lossmeter.runs SET name = '${REMOVED}' || id, steps = 0 WHERE name = $1 RETURNING id`;
  return (await queries.first(sql, run)) !== undefined;
}

/**
 * Unlinks the run with the oldest last recording.
 * @param before time in milliseconds since 1970; the last recording and the last said state of the run must be earlier
 * @returns its name; undefined when there is no such run
 */
export async function unlinkOldest(queries: Queries, before: number): Promise<string | undefined> {
  const row = await queries.first(
    `WITH oldest AS (
      SELECT id, name FROM lossmeter.runs WHERE ${NOT_REMOVED} AND updated_at < $1 AND coalesce(said_at, 0) < $1
        ORDER BY updated_at, id LIMIT 1 FOR UPDATE
    ) UPDATE lossmeter.runs SET name = '${REMOVED}' || runs.id, steps = 0 FROM oldest WHERE runs.id = oldest.id
      RETURNING oldest.name AS oldest`,
    before,
  );
  return row && (row['oldest'] as string);
}

/** Estimated bytes of a row with its indexes, for rows without long texts. */
const BYTES = { batch: 300, step: 400, scalar: 120 };

/**
 * Estimated bytes of the history, from its numbers of rows. The sizes of the files are of no use: a deletion makes files
 * smaller only after VACUUM, if at all.
 */
export async function sizeOf(queries: Queries): Promise<number> {
  const row = await queries.first(
    `SELECT (SELECT coalesce(sum(batches * ${BYTES.batch} + steps * ${BYTES.step}), 0)
        FROM lossmeter.runs WHERE ${NOT_REMOVED})
      + (SELECT coalesce(sum(points), 0) * ${BYTES.scalar} FROM lossmeter.series
        JOIN lossmeter.runs ON runs.id = series.run WHERE ${NOT_REMOVED}) AS bytes`,
  );
  return Number(row!['bytes']);
}

/**
 * Deletes some rows of removed runs in one short transaction. Only one replica does this at a time.
 * @returns true while there may be more rows
 */
export async function purgeSome(database: PostgresDatabase): Promise<boolean> {
  return database.transaction(async (queries) => {
    const lock = await queries.first(`SELECT pg_try_advisory_xact_lock(${PURGE_LOCK}) AS taken`);
    if ((lock!['taken'] as unknown) !== true) return false;
    // Locks the run, because a transaction that began before the removal may still write to it.
    const row = await queries.first(
      `SELECT id FROM lossmeter.runs WHERE starts_with(name, '${REMOVED}') ORDER BY id LIMIT 1 FOR UPDATE`,
    );
    if (row === undefined) return false;
    for (const table of [...TABLES_OF_RUNS, 'runs'] as const) {
      const column = table === 'runs' ? 'id' : 'run';
      const deleted = await queries.rows(
        `DELETE FROM lossmeter.${table} WHERE ctid = ANY(ARRAY(
          SELECT ctid FROM lossmeter.${table} WHERE ${column} = $1 LIMIT ${MOST_ROWS}
        )) RETURNING 1`,
        Number(row['id']),
      );
      if (deleted.length > 0) return true;
    }
    return true;
  });
}
