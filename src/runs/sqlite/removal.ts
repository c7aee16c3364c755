import { REMOVED } from '../removed.ts';
import { TABLES, TABLES_OF_RUNS } from '../tables.ts';
import type { TableName } from '../tables.ts';
import type { Statements } from './statements.ts';

/** Bounds of one transaction's removal: rows, and bytes of diagnostics. */
const MOST_ROWS = 1000;
const MOST_BYTES = 2 ** 20;

/** Pattern of these names. */
export const REMOVED_PATTERN = `${REMOVED}*`;

/** Bytes of the long texts of a row, for tables that have them. */
const BYTES: Partial<Record<TableName, string>> = {
  batches: 'ifnull(octet_length(diagnostics), 0)',
  row_losses: 'octet_length(losses)',
};

/** Removes a run from all replies at once; its rows stay until they are purged. */
export function unlink(statements: Statements, run: number): void {
  const sql = 'UPDATE runs SET name = ?, steps = 0 WHERE id = ?';
  statements.transaction(() => statements.run(sql, `${REMOVED}${run}`, run), 'shrinking');
}

/** A run that is unlinked and not yet purged. */
export function unlinked(statements: Statements): number | undefined {
  const row = statements.get('SELECT id FROM runs WHERE name GLOB ? LIMIT 1', REMOVED_PATTERN);
  return row && Number(row['id']);
}

/**
 * Deletes some rows of a removed run in one short transaction, and the run itself after its last rows.
 * @returns true while there are more
 */
export function purgeSome(statements: Statements, run: number): boolean {
  return statements.transaction(() => {
    for (const table of TABLES_OF_RUNS) {
      const key = TABLES[table].key.slice(1);
      const columns = key.join(', ');
      const bytes = BYTES[table] ?? '0';
      const rows = statements.iterate(
        `SELECT ${columns}, ${bytes} AS bytes FROM ${table} WHERE run = ? ORDER BY ${columns}`,
        run,
      );
      let [count, total] = [0, 0];
      let last: number[] | undefined;
      for (const row of rows) {
        last = key.map((column) => Number(row[column]));
        total += Number(row['bytes']);
        if (++count === MOST_ROWS || total > MOST_BYTES) break;
      }
      if (last === undefined) continue;
      const places = key.map(() => '?').join(', ');
      statements.run(`DELETE FROM ${table} WHERE run = ? AND (${columns}) <= (${places})`, run, ...last);
      return true;
    }
    statements.run('DELETE FROM runs WHERE id = ?', run);
    return false;
  }, 'shrinking');
}
