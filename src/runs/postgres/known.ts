/** Facts about the history of micro-batches to be recorded, read in one statement for all of them. */
import type { BatchKey } from '../record.ts';
import type { KeyedRecording } from '../recording.ts';
import type { Row } from '../rows.ts';
import type { Transaction } from './database.ts';

/** Locks runs until the end of the transaction, in the order of their ids: two recorders never wait for each other. */
const LOCK_RUNS = 'SELECT name FROM lossmeter.runs WHERE name = ANY($1::text[]) ORDER BY id FOR UPDATE';

const CREATE_RUNS = `INSERT INTO lossmeter.runs (name, created_at, updated_at)
  SELECT name, $2, $2 FROM unnest($1::text[]) AS name ORDER BY name ON CONFLICT (name) DO NOTHING`;

/** Each row by an index: LIMIT keeps the planner from scanning a table that was small when it planned. */
const READ_KNOWN = `SELECT runs.id AS run_id, runs.expected_ranks, known.digest,
    rank.numerators AS rank_numerators, rank.denominators AS rank_denominators,
    EXISTS (SELECT FROM lossmeter.ranks WHERE ranks.run = runs.id AND ranks.step = key.step) AS has_ranks,
    following.attempt AS next_attempt, last.*
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
    WITH ORDINALITY AS key (name, step, attempt, rank, micro_batch, place)
  LEFT JOIN LATERAL (SELECT * FROM lossmeter.runs WHERE runs.name = key.name LIMIT 1) runs ON true
  LEFT JOIN LATERAL (
    SELECT digest FROM lossmeter.batches b WHERE b.run = runs.id AND b.step = key.step AND b.attempt = key.attempt
      AND b.rank = key.rank AND b.micro_batch = key.micro_batch LIMIT 1
  ) known ON true
  LEFT JOIN LATERAL (
    SELECT numerators, denominators FROM lossmeter.ranks r WHERE r.run = runs.id AND r.step = key.step AND r.rank = key.rank
      LIMIT 1
  ) rank ON true
  LEFT JOIN LATERAL (
    SELECT * FROM lossmeter.steps WHERE steps.run = runs.id AND steps.step <= key.step ORDER BY steps.step DESC LIMIT 1
  ) last ON true
  LEFT JOIN LATERAL (
    SELECT attempt FROM lossmeter.steps WHERE steps.run = runs.id AND steps.step > key.step ORDER BY steps.step LIMIT 1
  ) following ON true
  ORDER BY key.place`;

/** A micro-batch with the facts about it. */
export interface KnownRecording extends KeyedRecording {
  /** Id of its run. */
  run: number;
  expectedRanks: number | null;
  /** Digest under its key; undefined when it is new. */
  digest: Uint8Array | undefined;
  /** Its rank at its step, of any attempt. */
  rank: Row | undefined;
  /** True where its step has ranks, of any attempt. */
  hasRanks: boolean;
  /** The last step up to its own. */
  last: Row | undefined;
  /** Attempt of the next step; undefined when there is none. */
  nextAttempt: number | undefined;
}

/** Reads the facts about recordings, in their order. Their runs are locked, and missing runs are created. */
export async function readKnown(
  transaction: Transaction,
  recordings: readonly KeyedRecording[],
  now: number,
): Promise<KnownRecording[]> {
  const names = [...new Set(recordings.map(({ key }) => key.run))];
  for (;;) {
    // Both are sent at once. The second may see a run that another replica created after the first: it is not locked.
    const [locked, rows] = await Promise.all([transaction.rows(LOCK_RUNS, names), readRows(transaction, recordings)]);
    const lockedNames = new Set(locked.map((row) => row['name']));
    const missing = names.filter((name) => !lockedNames.has(name));
    if (missing.length === 0) return recordings.map((one, k) => toKnown(one, rows[k]!));
    transaction.send(CREATE_RUNS, missing, now);
  }
}

function readRows({ rows }: Transaction, recordings: readonly KeyedRecording[]): Promise<Row[]> {
  const column = (of: (key: BatchKey) => number): number[] => recordings.map(({ key }) => of(key));
  return rows(
    READ_KNOWN,
    recordings.map(({ key }) => key.run),
    ...[column(({ step }) => step), column(({ attempt }) => attempt)],
    ...[column(({ rank }) => rank), column(({ microBatch }) => microBatch)],
  );
}

function toKnown({ key, recording }: KeyedRecording, row: Row): KnownRecording {
  const { rank_numerators: numerators, rank_denominators: denominators } = row;
  return {
    ...{ key, recording, run: Number(row['run_id']) },
    expectedRanks: row['expected_ranks'] as number | null,
    digest: (row['digest'] ?? undefined) as Uint8Array | undefined,
    rank: numerators === null ? undefined : { numerators: numerators!, denominators: denominators! },
    hasRanks: (row['has_ranks'] as unknown) === true,
    last: row['step'] === null ? undefined : row,
    nextAttempt: row['next_attempt'] === null ? undefined : Number(row['next_attempt']),
  };
}
