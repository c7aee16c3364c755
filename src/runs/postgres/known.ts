/** Facts about the history of micro-batches to be recorded, read in a few statements for all of them. */
import type { BatchKey } from '../record.ts';
import type { KeyedRecording } from '../recording.ts';
import type { Row } from '../rows.ts';
import type { Queries } from './database.ts';

/** A run whose row is locked until the end of the transaction. */
export interface LockedRun {
  id: number;
  expectedRanks: number | null;
}

/**
 * Locks runs against other recorders, in the order of their ids: two transactions never wait for each other. Creates missing
 * runs.
 */
export async function lockRuns(
  queries: Queries,
  recordings: readonly KeyedRecording[],
  now: number,
): Promise<Map<string, LockedRun>> {
  const names = [...new Set(recordings.map(({ key }) => key.run))].toSorted();
  const runs = new Map<string, LockedRun>();
  const lock = async (some: readonly string[]): Promise<void> => {
    const sql =
      'SELECT id, name, expected_ranks FROM lossmeter.runs WHERE name = ANY($1::text[]) ORDER BY id FOR UPDATE';
    for (const row of await queries.rows(sql, some)) {
      const expectedRanks = row['expected_ranks'] as number | null;
      runs.set(row['name'] as string, { id: Number(row['id']), expectedRanks });
    }
  };
  await lock(names);
  // A run may be removed between the two statements.
  for (let missing = names; missing.length > 0;) {
    missing = names.filter((name) => !runs.has(name));
    if (missing.length === 0) break;
    await queries.rows(
      `INSERT INTO lossmeter.runs (name, created_at, updated_at) SELECT name, $2, $2 FROM unnest($1::text[]) AS name
        ON CONFLICT (name) DO NOTHING`,
      ...[missing, now],
    );
    await lock(missing);
  }
  return runs;
}

/** A micro-batch with what is known of it. */
export interface KnownRecording extends KeyedRecording {
  run: LockedRun;
  /** Digest under its key; undefined when it is new. */
  digest: Uint8Array | undefined;
  /** Its rank at its step, of any attempt. */
  rank: Row | undefined;
  /** The last step up to its own. */
  last: Row | undefined;
  /** Attempt of the next step; undefined when there is none. */
  nextAttempt: number | undefined;
}

/** Reads what is known of recordings, in their order. */
export async function readKnown(
  queries: Queries,
  recordings: readonly KeyedRecording[],
  runs: ReadonlyMap<string, LockedRun>,
): Promise<KnownRecording[]> {
  const column = (of: (key: BatchKey) => number): number[] => recordings.map(({ key }) => of(key));
  const rows = await queries.rows(
    `SELECT batches.digest, ranks.numerators AS rank_numerators, ranks.denominators AS rank_denominators,
        following.attempt AS next_attempt, last.*
      FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
        WITH ORDINALITY AS key (run, step, attempt, rank, micro_batch, place)
      LEFT JOIN lossmeter.batches USING (run, step, attempt, rank, micro_batch)
      LEFT JOIN lossmeter.ranks USING (run, step, rank)
      LEFT JOIN LATERAL (
        SELECT * FROM lossmeter.steps WHERE steps.run = key.run AND steps.step <= key.step ORDER BY steps.step DESC LIMIT 1
      ) last ON true
      LEFT JOIN LATERAL (
        SELECT attempt FROM lossmeter.steps WHERE steps.run = key.run AND steps.step > key.step ORDER BY steps.step LIMIT 1
      ) following ON true
      ORDER BY key.place`,
    recordings.map(({ key }) => runs.get(key.run)!.id),
    ...[column(({ step }) => step), column(({ attempt }) => attempt)],
    ...[column(({ rank }) => rank), column(({ microBatch }) => microBatch)],
  );
  return recordings.map(({ key, recording }, k) => {
    const row = rows[k]!;
    const { rank_numerators: numerators, rank_denominators: denominators } = row;
    return {
      ...{ key, recording, run: runs.get(key.run)! },
      digest: (row['digest'] ?? undefined) as Uint8Array | undefined,
      rank: numerators === null ? undefined : { numerators: numerators!, denominators: denominators! },
      last: row['step'] === null ? undefined : row,
      nextAttempt: row['next_attempt'] === null ? undefined : Number(row['next_attempt']),
    };
  });
}
