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
 * Deletes some rows of removed runs in one short transaction. Of several replicas one does so at a time.
 * @returns true while there are more
 */
export async function purgeSome(database: PostgresDatabase): Promise<boolean> {
  return database.transaction(async (queries) => {
    const lock = await queries.first(`SELECT pg_try_advisory_xact_lock(${PURGE_LOCK}) AS taken`);
    if ((lock!['taken'] as unknown) !== true) return false;
    // A transaction that began before the removal may still write to the run.
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
