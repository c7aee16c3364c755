import { REMOVED } from '../removed.ts';
import { TABLES, TABLES_OF_RUNS } from '../tables.ts';
import type { TableName } from '../tables.ts';
import type { Statements } from './statements.ts';

/** Bounds of one transaction: deleted rows, and bytes of their long columns. */
const MOST_ROWS = 1000;
const MOST_BYTES = 2 ** 20;

/** GLOB pattern for the names of runs during their removal. */
export const REMOVED_PATTERN = `${REMOVED}*`;

/** SQL expressions for the bytes of the long column of a row, for tables that have one. */
const BYTES: Partial<Record<TableName, string>> = {
  batches: 'ifnull(octet_length(diagnostics), 0)',
  row_losses: 'octet_length(losses)',
};

const UNLINK = 'UPDATE runs SET name = ?, steps = 0 WHERE id = ?';

/** Removes a run from all replies at once; its rows stay until they are purged. */
export function unlink(statements: Statements, run: number): void {
  statements.transaction(() => statements.run(UNLINK, `${REMOVED}${run}`, run), 'shrinking');
}

/**
 * Unlinks the run with the oldest last recording.
 * @param before time in milliseconds since 1970; the last recording and the last said state of the run must be earlier
 * @returns its name; undefined when there is no such run
 */
export function unlinkOldest(statements: Statements, before: number): string | undefined {
  return statements.transaction(() => {
    // Each part uses an index.
    const oldest = ['steps > 0', 'steps = 0'].map(
      (part) => `SELECT * FROM (SELECT id, name, updated_at FROM runs
        WHERE ${part} AND updated_at < ?1 AND ifnull(said_at, 0) < ?1 AND name NOT GLOB ?2 ORDER BY updated_at LIMIT 1)`,
    );
    const sql = `${oldest.join(' UNION ALL ')} ORDER BY updated_at LIMIT 1`;
    const row = statements.get(sql, before, REMOVED_PATTERN);
    if (row === undefined) return undefined;
    const id = Number(row['id']);
    statements.run(UNLINK, `${REMOVED}${id}`, id);
    return row['name'] as string;
  }, 'shrinking');
}

/** Bytes of the used pages of the file. */
export function sizeOf(statements: Statements): number {
  const valueOf = (name: string): number => Number(statements.get(`SELECT * FROM pragma_${name}`)![name]);
  return (valueOf('page_count') - valueOf('freelist_count')) * valueOf('page_size');
}

/** Id of a run that is unlinked and not yet purged; undefined when there is none. */
export function unlinked(statements: Statements): number | undefined {
  const row = statements.get('SELECT id FROM runs WHERE name GLOB ? LIMIT 1', REMOVED_PATTERN);
  return row && Number(row['id']);
}

/**
 * Deletes some rows of a removed run in one short transaction, and the run itself after its last rows.
 * @returns true until the run itself is deleted
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
