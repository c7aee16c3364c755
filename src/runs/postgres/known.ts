/** Facts of the history about recordings, read in one statement for all of them. */
import { NO_RUN } from '../known-recording.ts';
import type { KnownRecording, KnownScalar } from '../known-recording.ts';
import type { BatchKey, KeyedRecording } from '../record.ts';
import { fromReal } from '../rows.ts';
import type { Row, Value } from '../rows.ts';
import { withKeptRows } from '../disagreement/row-losses.ts';
import { createWithin } from './creation.ts';
import type { Transaction } from './database.ts';
import { comparedLosses, inOrder } from './losses-before.ts';

/** Locks runs until the end of the transaction, in the order of their ids, so that two recorders never deadlock. */
const LOCK_RUNS = 'SELECT name FROM lossmeter.runs WHERE name = ANY($1::text[]) ORDER BY id FOR UPDATE';

const CREATE_RUNS = `INSERT INTO lossmeter.runs (name, created_at, updated_at, owner)
  SELECT name, $2, $2, owner FROM unnest($1::text[], $3::text[]) AS made (name, owner) ORDER BY name
  ON CONFLICT (name) DO NOTHING`;

/** Finds each row by an index: LIMIT keeps the planner from scanning a table that was small when it planned. */
const READ_KNOWN = `SELECT runs.id AS run_id, runs.expected_ranks, runs.series AS run_series, known.digest,
    rank.numerators AS rank_numerators, rank.denominators AS rank_denominators,
    EXISTS (SELECT FROM lossmeter.ranks WHERE ranks.run = runs.id AND ranks.step = key.step) AS has_ranks,
    ${comparedLosses({ run: 'runs.id', step: 'key.step', loss: 'key.loss' })} AS before,
    EXISTS (SELECT FROM lossmeter.row_losses r WHERE r.run = runs.id AND r.step = key.step AND r.rank = key.rank
      AND r.micro_batch = key.micro_batch AND key.loss IS NOT NULL) AS has_row_losses,
    following.attempt AS next_attempt, holding.attempt AS attempt_at, own.first_step, same.*
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::float8[])
    WITH ORDINALITY AS key (name, step, attempt, rank, micro_batch, loss, place)
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
    SELECT * FROM lossmeter.steps WHERE steps.run = runs.id AND steps.step = key.step AND steps.attempt = key.attempt LIMIT 1
  ) same ON true
  LEFT JOIN LATERAL (
    SELECT attempt FROM lossmeter.steps WHERE steps.run = runs.id AND steps.step >= key.step ORDER BY steps.step LIMIT 1
  ) following ON true
  LEFT JOIN LATERAL (
    SELECT attempt FROM lossmeter.attempts a WHERE a.run = runs.id AND a.live = 1 AND a.first_step <= key.step
      ORDER BY a.first_step DESC LIMIT 1
  ) holding ON true
  LEFT JOIN LATERAL (
    SELECT first_step FROM lossmeter.attempts a WHERE a.run = runs.id AND a.attempt = key.attempt LIMIT 1
  ) own ON true
  ORDER BY key.place`;

/** Scalars of recordings, in their order. */
const READ_SCALARS = `SELECT found.series, value.step IS NOT NULL AS is_there, value.value
  FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
    WITH ORDINALITY AS key (run, name, step, attempt, rank, place)
  LEFT JOIN LATERAL (SELECT id FROM lossmeter.runs WHERE runs.name = key.run LIMIT 1) runs ON true
  LEFT JOIN LATERAL (
    SELECT series FROM lossmeter.series s WHERE s.run = runs.id AND s.name = key.name LIMIT 1
  ) found ON true
  LEFT JOIN LATERAL (
    SELECT step, value FROM lossmeter.scalars v WHERE v.run = runs.id AND v.series = found.series
      AND v.attempt = key.attempt AND v.step = key.step AND v.rank = key.rank LIMIT 1
  ) value ON true
  ORDER BY key.place`;

/** Reads the facts about recordings, in their order. Their runs are locked, and missing runs are created. */
export async function readKnown(
  transaction: Transaction,
  recordings: readonly KeyedRecording[],
  now: number,
): Promise<KnownRecording[]> {
  const names = [...new Set(recordings.map(({ key }) => key.run))];
  const refused = new Set<string>();
  for (;;) {
    // Sends all at once. A run that another replica created after the first statement is not locked, even if others see it.
    const [locked, rows, scalars] = await Promise.all([
      transaction.rows(LOCK_RUNS, names),
      readRows(transaction, recordings),
      readScalars(transaction, recordings),
    ]);
    const lockedNames = new Set(locked.map((row) => row['name']));
    const missing = names.filter((name) => !lockedNames.has(name) && !refused.has(name));
    if (missing.length === 0) {
      const known = scalars.values();
      return recordings.map((one, k) => toKnown(one, rows[k]!, [...known.take(one.scalars?.length ?? 0)]));
    }
    for (const name of await createRuns(transaction, recordings, missing, now)) refused.add(name);
  }
}

/** Creates missing runs. @returns names of runs that were not created, because they exceed the quotas of their creators */
async function createRuns(
  transaction: Transaction,
  recordings: readonly KeyedRecording[],
  missing: readonly string[],
  now: number,
): Promise<string[]> {
  const creators = missing.map((name) => recordings.find(({ key }) => key.run === name)!.creator);
  const hasQuota = creators.map((creator) => creator?.mostRuns !== undefined);
  const free = missing.filter((_, k) => !hasQuota[k]);
  const owners = creators.filter((_, k) => !hasQuota[k]).map((creator) => creator?.owner ?? null);
  if (free.length > 0) transaction.send(CREATE_RUNS, free, now, owners);
  const refused: string[] = [];
  for (const [k, run] of missing.entries()) {
    if (!hasQuota[k]) continue;
    if ((await createWithin(transaction, { run, now, creator: creators[k] })) === 'over_quota') refused.push(run);
  }
  return refused;
}

function readRows({ rows }: Transaction, recordings: readonly KeyedRecording[]): Promise<Row[]> {
  const column = (of: (key: BatchKey) => number): number[] => recordings.map(({ key }) => of(key));
  return rows(
    READ_KNOWN,
    recordings.map(({ key }) => key.run),
    column(({ step }) => step),
    column(({ attempt }) => attempt),
    column(({ rank }) => rank),
    column(({ microBatch }) => microBatch),
    recordings.map(lossToCompare),
  );
}

/** Loss of a recording with row losses, which decides if these are kept; null for a recording without row losses. */
function lossToCompare({ recording }: KeyedRecording): number | null {
  return recording?.rowLosses === undefined ? null : recording.numerator / recording.denominator;
}

async function readScalars({ rows }: Transaction, recordings: readonly KeyedRecording[]): Promise<KnownScalar[]> {
  const all = recordings.flatMap(({ key, scalars = [] }) => scalars.map(([name]) => ({ ...key, name })));
  if (all.length === 0) return [];
  const found = await rows(
    READ_SCALARS,
    all.map(({ run }) => run),
    all.map(({ name }) => name),
    all.map(({ step }) => step),
    all.map(({ attempt }) => attempt),
    all.map(({ rank }) => rank),
  );
  return found.map((row) => ({
    series: row['series'] === null ? undefined : Number(row['series']),
    value: (row['is_there'] as unknown) === true ? fromReal(row['value']) : undefined,
  }));
}

const optional = (value: Value | undefined): number | undefined =>
  value === null || value === undefined ? undefined : Number(value);

function toKnown(one: KeyedRecording, row: Row, known: readonly KnownScalar[]): KnownRecording {
  const { rank_numerators: numerators, rank_denominators: denominators } = row;
  const step = row['step'] === null ? undefined : row;
  const before = {
    losses: () => inOrder(row['before']),
    hasOthers: () => (row['has_row_losses'] as unknown) === true,
  };
  return {
    ...withKeptRows(one, before),
    run: Number(row['run_id'] ?? NO_RUN),
    expectedRanks: row['expected_ranks'] as number | null,
    series: Number(row['run_series']),
    attempt: optional(row['attempt_at']),
    firstStep: optional(row['first_step']),
    digest: (row['digest'] ?? undefined) as Uint8Array | undefined,
    step,
    rank:
      step === undefined || numerators === null ? undefined : { numerators: numerators!, denominators: denominators! },
    hasOldRanks: step === undefined && (row['has_ranks'] as unknown) === true,
    nextAttempt: optional(row['next_attempt']),
    known,
  };
}
