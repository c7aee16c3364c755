/** Creation and renaming of runs. */
import { LossmeterError } from '../../errors.ts';
import type { Creator } from '../quota.ts';
import type { PostgresDatabase, Queries } from './database.ts';
import { isOfValues } from './explain.ts';
import { QUOTA_LOCK } from './locks.ts';
import { NOT_REMOVED } from './removal.ts';

const CREATE = `INSERT INTO lossmeter.runs (name, created_at, updated_at, owner) VALUES ($1, $2, $2, $3)
  ON CONFLICT (name) DO NOTHING RETURNING id`;

const COUNT = `SELECT count(*) AS runs FROM lossmeter.runs WHERE owner = $1 AND ${NOT_REMOVED}`;

/** Creates a run in a transaction, unless it exists or exceeds the quota of its creator. */
export async function createWithin(
  queries: Queries,
  { run, now, creator }: { run: string; now: number; creator: Creator | undefined },
): Promise<'created' | 'known' | 'over_quota'> {
  if (creator?.mostRuns !== undefined) {
    const known = await queries.first('SELECT id FROM lossmeter.runs WHERE name = $1', run);
    if (known !== undefined) return 'known';
    // Holds the lock until the end of the transaction, so that no other transaction counts runs meanwhile.
    await queries.rows(`SELECT pg_advisory_xact_lock(${QUOTA_LOCK})`);
    const count = await queries.first(COUNT, creator.owner);
    if (Number(count!['runs']) >= creator.mostRuns) return 'over_quota';
  }
  const made = await queries.first(CREATE, run, now, creator?.owner ?? null);
  return made === undefined ? 'known' : 'created';
}

export async function rename(
  database: PostgresDatabase,
  run: string,
  name: string,
): Promise<'renamed' | 'unknown' | 'taken'> {
  try {
    const sql = 'UPDATE lossmeter.runs SET name = $2 WHERE name = $1 RETURNING id';
    return (await database.first(sql, run, name)) === undefined ? 'unknown' : 'renamed';
  } catch (error) {
    if (error instanceof LossmeterError || !isOfValues(error)) throw error;
    return 'taken';
  }
}
