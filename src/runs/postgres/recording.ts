import type { KnownRecording } from '../known-recording.ts';
import type { KeyedRecording } from '../record.ts';
import { Changeset } from '../changeset.ts';
import { MOST_DROPPED, decide } from '../recording.ts';
import type { RecordOutcome } from '../recording.ts';
import { TABLES } from '../tables.ts';
import type { PostgresDatabase, Transaction } from './database.ts';
import { isOfValues } from './explain.ts';
import { readKnown } from './known.ts';
import { writeChanges } from './write-changes.ts';

/**
 * Records micro-batches in their order, in one transaction. When PostgreSQL rejects the values of one, records each in its
 * own transaction.
 * @throws LossmeterError store_unavailable; then it is unknown which are recorded
 */
export async function recordBatches(
  database: PostgresDatabase,
  recordings: readonly KeyedRecording[],
  now: number,
): Promise<RecordOutcome[]> {
  try {
    return await database.transaction((transaction) => recordIn(transaction, recordings, now));
  } catch (failure) {
    if (!isOfValues(failure)) throw failure;
    if (recordings.length === 1) return [{ failure }];
  }
  const outcomes: RecordOutcome[] = [];
  for (const one of recordings) outcomes.push(...(await recordBatches(database, [one], now)));
  return outcomes;
}

async function recordIn(
  transaction: Transaction,
  recordings: readonly KeyedRecording[],
  now: number,
): Promise<RecordOutcome[]> {
  const outcomes: RecordOutcome[] = [];
  const budget = { left: MOST_DROPPED };
  // One round is nearly always enough. A recording that changes the facts about later recordings begins another round.
  while (outcomes.length < recordings.length) {
    const known = await readKnown(transaction, recordings.slice(outcomes.length), now);
    const changes = new Changeset();
    const end = decide(known, changes, outcomes);
    if (typeof end === 'object') {
      const isDropped = await dropSuperseded(transaction, end.dropFor, budget);
      outcomes.push(isDropped ? { outcome: 'created' } : { dropping: true });
      if (isDropped) changes.add(end.dropFor);
    }
    if (!changes.isEmpty) writeChanges(transaction, changes, now);
  }
  return outcomes;
}

const SUPERSEDED = TABLES.superseded_steps.columns.join(', ');

/**
 * Drops the steps of lower attempts from a given step on, because the trainer resumed before them. They become superseded
 * steps. Attempts ascend with the steps, so the steps to drop come first. A micro-batch of a lower attempt that comes between
 * two drops begins a dropped step again: the superseded step keeps what the first drop took.
 * @returns true when no such step is left
 */
async function dropSuperseded(
  { first }: Transaction,
  { run, key: { step, attempt } }: KnownRecording,
  budget: { left: number },
): Promise<boolean> {
  const row = await first(
    `WITH superseded AS (
      SELECT step FROM lossmeter.steps WHERE run = $1 AND step >= $2 AND attempt < $3 ORDER BY step LIMIT $4
    ), dropped AS (
      DELETE FROM lossmeter.steps WHERE run = $1 AND step IN (SELECT step FROM superseded) RETURNING *
    ), kept AS (
      INSERT INTO lossmeter.superseded_steps (${SUPERSEDED}) SELECT ${SUPERSEDED} FROM dropped
        ON CONFLICT DO NOTHING
    ), counts AS (SELECT count(*) AS steps, coalesce(sum(non_finite), 0) AS non_finite FROM dropped)
    UPDATE lossmeter.runs SET steps = runs.steps - counts.steps, non_finite_steps = non_finite_steps - counts.non_finite
      FROM counts WHERE id = $1 RETURNING counts.steps AS dropped`,
    run,
    step,
    attempt,
    budget.left,
  );
  budget.left -= Number(row!['dropped']);
  const next = await first(
    'SELECT attempt FROM lossmeter.steps WHERE run = $1 AND step >= $2 ORDER BY step LIMIT 1',
    run,
    step,
  );
  return next === undefined || Number(next['attempt']) >= attempt;
}
