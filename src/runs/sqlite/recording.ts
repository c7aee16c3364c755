import type { KnownRecording } from '../known-recording.ts';
import type { KeyedRecording } from '../record.ts';
import { Changeset } from '../changeset.ts';
import { MOST_DROPPED, decide } from '../recording.ts';
import type { RecordOutcome } from '../recording.ts';
import { TABLES } from '../tables.ts';
import { packFailure } from './failure.ts';
import type { Failure } from './failure.ts';
import { History } from './known.ts';
import { isOfDatabase } from './sqlite-error.ts';
import type { Statements } from './statements.ts';
import { writeChanges } from './write-changes.ts';

/**
 * Records in the given order, in one transaction. When SQLite rejects the values of one, records each in its own
 * transaction.
 * @throws LossmeterError store_unavailable, SqliteError; then none is recorded
 */
export function recordBatches(
  statements: Statements,
  recordings: readonly KeyedRecording[],
  now: number,
): RecordOutcome<Failure>[] {
  try {
    return statements.transaction(() => recordIn(statements, recordings, now));
  } catch (error) {
    // A fault of the disk or of the file fails all recordings.
    if (isOfDatabase(error)) throw error;
    if (recordings.length === 1) return [{ failure: packFailure(error) }];
  }
  return recordings.flatMap((one) => recordBatches(statements, [one], now));
}

function recordIn(
  statements: Statements,
  recordings: readonly KeyedRecording[],
  now: number,
): RecordOutcome<Failure>[] {
  const outcomes: RecordOutcome<Failure>[] = [];
  const budget = { left: MOST_DROPPED };
  // One round is nearly always enough. A recording that changes the facts about later recordings begins another round.
  while (outcomes.length < recordings.length) {
    const changes = new Changeset();
    const end = decide(new History(statements, now).read(recordings.slice(outcomes.length)), changes, outcomes);
    if (typeof end === 'object') {
      const isDropped = dropSuperseded(statements, end.dropFor, budget);
      outcomes.push(isDropped ? { outcome: 'created' } : { dropping: true });
      if (isDropped) changes.add(end.dropFor);
    }
    if (!changes.isEmpty) writeChanges(statements, changes, now);
  }
  return outcomes;
}

const SUPERSEDED = TABLES.superseded_steps.columns.join(', ');

/**
 * Drops the steps of lower attempts from a given step on, because the trainer resumed before them. They become superseded
 * steps. Attempts ascend with the steps, so the steps to drop come first.
 * @returns true when no such step is left
 */
function dropSuperseded(
  statements: Statements,
  { run, key: { step, attempt } }: KnownRecording,
  budget: { left: number },
): boolean {
  const rows = statements.arrays(
    'SELECT step, attempt, non_finite FROM steps WHERE run = ? AND step >= ? ORDER BY step LIMIT ?',
    run,
    step,
    budget.left + 1,
  ) as [step: number, attempt: number, nonFinite: number][];
  const end = rows.findIndex(([, other]) => other >= attempt);
  const superseded = end === -1 ? rows : rows.slice(0, end);
  const dropped = superseded.slice(0, budget.left);
  if (dropped.length > 0) {
    const range = [run, step, dropped.at(-1)![0]];
    statements.run(
      `INSERT OR IGNORE INTO superseded_steps (${SUPERSEDED})
        SELECT ${SUPERSEDED} FROM steps WHERE run = ? AND step BETWEEN ? AND ?`,
      ...range,
    );
    statements.run('DELETE FROM steps WHERE run = ? AND step BETWEEN ? AND ?', ...range);
    const bad = dropped.filter(([, , nonFinite]) => nonFinite === 1).length;
    statements.run(
      'UPDATE runs SET steps = steps - ?, non_finite_steps = non_finite_steps - ? WHERE id = ?',
      dropped.length,
      bad,
      run,
    );
    budget.left -= dropped.length;
  }
  return dropped.length === superseded.length;
}
