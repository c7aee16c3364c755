import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Statements } from './statements.ts';

/** Steps that are removed at a time. */
const PURGED_STEPS = 200;

/** What a run that is being removed is called: no name that a run may have. */
const REMOVED = '~removed ';

/** Matches the names of such runs. */
export const REMOVED_PATTERN = `${REMOVED}*`;

/** Has a run be gone at once; what belongs to it is there still. */
export function unlink(statements: Statements, run: number): void {
  statements.run('UPDATE runs SET name = ? WHERE id = ?', `${REMOVED}${run}`, run);
}

/** Runs that were unlinked, and not purged to the end. */
export function unlinked(statements: Statements): number[] {
  return statements.all('SELECT id FROM runs WHERE name GLOB ?', REMOVED_PATTERN).map((row) => Number(row['id']));
}

/** Removes what belongs to a run bit by bit, for others write meanwhile, and then the run. */
export async function purge(statements: Statements, run: number): Promise<void> {
  for (;;) {
    const last = statements.get(
      'SELECT max(step) AS step FROM (SELECT step FROM steps WHERE run = ? ORDER BY step LIMIT ?)',
      ...[run, PURGED_STEPS],
    )!['step'];
    if (last === null || last === undefined) break;
    statements.transaction(() => {
      for (const table of ['batches', 'ranks', 'steps']) {
        statements.run(`DELETE FROM ${table} WHERE run = ? AND step <= ?`, run, last);
      }
    });
    await nextTurn();
  }
  statements.run('DELETE FROM runs WHERE id = ?', run);
}
