import { MOST_DROPPED, outcomeOf } from '../recording.ts';
import type { KeyedRecording, RecordOutcome } from '../recording.ts';
import { Changeset } from './changeset.ts';
import type { PostgresDatabase, Queries } from './database.ts';
import { isOfValues } from './explain.ts';
import { lockRuns, readKnown } from './known.ts';
import type { KnownRecording } from './known.ts';

/**
 * Records micro-batches in their order, in one transaction. When the values of one are refused, each is recorded in a
 * transaction of its own.
 * @throws LossmeterError store_unavailable: then it is not known which are recorded
 */
export async function recordBatches(
  database: PostgresDatabase,
  recordings: readonly KeyedRecording[],
  now: number,
): Promise<RecordOutcome[]> {
  try {
    return await database.transaction((queries) => recordIn(queries, recordings, now));
  } catch (failure) {
    if (!isOfValues(failure)) throw failure;
    if (recordings.length === 1) return [{ failure }];
  }
  const outcomes: RecordOutcome[] = [];
  for (const one of recordings) outcomes.push(...(await recordBatches(database, [one], now)));
  return outcomes;
}

async function recordIn(
  queries: Queries,
  recordings: readonly KeyedRecording[],
  now: number,
): Promise<RecordOutcome[]> {
  const runs = await lockRuns(queries, recordings, now);
  const outcomes: RecordOutcome[] = [];
  const budget = { left: MOST_DROPPED };
  // Nearly always one round: another begins where a micro-batch changes what is known of those that follow.
  while (outcomes.length < recordings.length) {
    const known = await readKnown(queries, recordings.slice(outcomes.length), runs);
    const changes = new Changeset(now);
    for (const one of known) {
      if (!changes.fits(one)) break;
      const outcome = outcomeOf(one, {
        expectedRanks: one.run.expectedRanks,
        attempt: one.last && Number(one.last['attempt']),
        digest: one.digest ?? changes.digestOf(one),
      });
      if (outcome !== undefined) {
        outcomes.push({ outcome });
        continue;
      }
      const supersedes = one.nextAttempt !== undefined && one.nextAttempt < one.key.attempt;
      if (supersedes && !changes.isEmpty) break;
      if (supersedes && !(await dropSuperseded(queries, one, budget))) {
        outcomes.push({ dropping: true });
        break;
      }
      changes.add(one);
      outcomes.push({ outcome: 'created' });
      // It dropped steps that others of this round may know.
      if (supersedes) break;
    }
    if (!changes.isEmpty) await changes.write(queries);
  }
  return outcomes;
}

/**
 * Drops steps of lower attempts after a given step, because its trainer resumed before them. Their batches stay.
 * Attempts ascend with the steps, so the steps to drop come first.
 * @returns true when no such step is left
 */
async function dropSuperseded(
  queries: Queries,
  { run: { id }, key: { step, attempt } }: KnownRecording,
  budget: { left: number },
): Promise<boolean> {
  const row = await queries.first(
    `WITH superseded AS (
      SELECT step FROM lossmeter.steps WHERE run = $1 AND step > $2 AND attempt < $3 ORDER BY step LIMIT $4
    ), dropped AS (
      DELETE FROM lossmeter.steps WHERE run = $1 AND step IN (SELECT step FROM superseded) RETURNING non_finite
    ), counts AS (SELECT count(*) AS steps, coalesce(sum(non_finite), 0) AS non_finite FROM dropped)
    UPDATE lossmeter.runs SET steps = runs.steps - counts.steps, non_finite_steps = non_finite_steps - counts.non_finite
      FROM counts WHERE id = $1 RETURNING counts.steps AS dropped`,
    ...[id, step, attempt, budget.left],
  );
  budget.left -= Number(row!['dropped']);
  const next = await queries.first(
    'SELECT attempt FROM lossmeter.steps WHERE run = $1 AND step > $2 ORDER BY step LIMIT 1',
    ...[id, step],
  );
  return next === undefined || Number(next['attempt']) >= attempt;
}
