/** Statements that write the changes of recordings. */
import type { Changeset } from '../changeset.ts';
import { batchColumns } from '../rows.ts';
import type { Parameter, Transaction } from './database.ts';
import { SEQUENCE_LOCK } from './locks.ts';

/** Sends the statements that write the changes of recordings. @param now in milliseconds since 1970 */
export function writeChanges({ send }: Transaction, changes: Changeset, now: number): void {
  const attempts = [...changes.attempts];
  if (attempts.length > 0) {
    const values = columns(attempts, ['run', 'attempt', 'firstStep']);
    send(WRITE_ATTEMPTS, ...values);
    send(END_ATTEMPTS, ...values);
  }
  const batches = [...changes.batches].map(({ run, key, recording }) => ({
    run,
    step: key.step,
    attempt: key.attempt,
    rank: key.rank,
    micro_batch: key.microBatch,
    ...batchColumns(recording),
    recorded_at: now,
    losses: recording.rowLosses,
  }));
  const steps = [...changes.steps];
  if (batches.length > 0) {
    const dropping = steps.filter(({ dropsRanks }) => dropsRanks);
    if (dropping.length > 0) send(DROP_RANKS, ...columns(dropping, ['run', 'step']));
    send(INSERT_BATCHES, ...columns(batches, BATCH_COLUMNS));
    send(WRITE_RANKS, ...columns([...changes.ranks], RANK_COLUMNS));
    const withLosses = batches.flatMap(({ losses, ...batch }) =>
      losses === undefined
        ? []
        : [{ ...batch, losses: new Uint8Array(losses.buffer, losses.byteOffset, losses.byteLength) }],
    );
    if (withLosses.length > 0) send(INSERT_ROW_LOSSES, ...columns(withLosses, ROW_LOSS_COLUMNS));
  }
  const scalars = [...changes.scalars];
  if (scalars.length > 0) {
    send(WRITE_SERIES, ...columns([...changes.series], ['run', 'series', 'name', 'points']));
    send(INSERT_SCALARS, ...columns(scalars, ['run', 'series', 'attempt', 'step', 'rank', 'value']));
  }
  send(UPDATE_RUNS, ...columns([...changes.runs], ['run', 'batches', 'steps', 'nonFinite', 'ranks', 'series']), now);
  if (steps.length === 0) return;
  // From here until the commit, no other recorder takes sequence numbers.
  send(`SELECT pg_advisory_xact_lock(${SEQUENCE_LOCK})`);
  send(WRITE_STEPS, ...columns(steps, STEP_COLUMNS), now);
}

const WRITE_ATTEMPTS = `INSERT INTO lossmeter.attempts (run, attempt, first_step, live)
  SELECT changed.*, 1 FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS changed
  ON CONFLICT (run, attempt) DO UPDATE SET first_step = excluded.first_step, live = 1`;

const END_ATTEMPTS = `UPDATE lossmeter.attempts SET live = 0
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS changed (run, attempt, first_step)
  WHERE attempts.run = changed.run AND attempts.first_step >= changed.first_step AND attempts.attempt < changed.attempt
    AND attempts.live = 1`;

const ROW_LOSS_COLUMNS = ['run', 'step', 'attempt', 'rank', 'micro_batch', 'losses'] as const;

const INSERT_ROW_LOSSES = `INSERT INTO lossmeter.row_losses (${ROW_LOSS_COLUMNS.join(', ')})
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[])`;

const WRITE_SERIES = `INSERT INTO lossmeter.series (run, series, name, points)
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[])
  ON CONFLICT (run, series) DO UPDATE SET points = series.points + excluded.points`;

const INSERT_SCALARS = `INSERT INTO lossmeter.scalars (run, series, attempt, step, rank, value)
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::float8[])`;

/** Columns of rows, each as one array parameter. */
function columns<Name extends string>(
  rows: readonly Readonly<Record<Name, null | number | string | Uint8Array>>[],
  names: readonly Name[],
): Parameter[] {
  return names.map((name) => rows.map((row) => row[name]));
}

const BATCH_COLUMNS = [
  ...(['run', 'step', 'attempt', 'rank', 'micro_batch', 'numerator', 'denominator'] as const),
  ...(['finite', 'summary', 'diagnostics', 'digest', 'recorded_at'] as const),
  ...(['device', 'label_digest'] as const),
];

const RANK_COLUMNS = ['run', 'step', 'rank', 'numerators', 'denominators', 'loss'] as const;

const STEP_COLUMNS = [
  ...(['run', 'step', 'attempt', 'numerators', 'denominators', 'numerator', 'denominator', 'loss', 'ranks'] as const),
  ...(['bad_batches', 'non_finite', 'causes', 'summary', 'summary_rank', 'summary_micro_batch'] as const),
];

const DROP_RANKS = `DELETE FROM lossmeter.ranks USING unnest($1::bigint[], $2::bigint[]) AS dropped (run, step)
  WHERE ranks.run = dropped.run AND ranks.step = dropped.step`;

const INSERT_BATCHES = `INSERT INTO lossmeter.batches (${BATCH_COLUMNS.join(', ')})
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::float8[], $7::float8[],
    $8::smallint[], $9::text[], $10::text[], $11::bytea[], $12::bigint[], $13::text[], $14::bytea[])`;

const WRITE_RANKS = `INSERT INTO lossmeter.ranks (${RANK_COLUMNS.join(', ')})
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[], $6::float8[])
  ON CONFLICT (run, step, rank) DO UPDATE SET
    numerators = excluded.numerators, denominators = excluded.denominators, loss = excluded.loss`;

const UPDATE_RUNS = `UPDATE lossmeter.runs SET updated_at = $7, batches = runs.batches + changed.batches,
    steps = runs.steps + changed.steps, non_finite_steps = non_finite_steps + changed.non_finite,
    ranks = greatest(runs.ranks, changed.ranks), series = runs.series + changed.series
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    AS changed (run, batches, steps, non_finite, ranks, series)
  WHERE runs.id = changed.run`;

const WRITE_STEPS = `INSERT INTO lossmeter.steps (${STEP_COLUMNS.join(', ')}, recorded_at, least, greatest, sequence)
  SELECT changed.*, $16::bigint, range.least, range.greatest, nextval('lossmeter.changes')
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[], $6::float8[], $7::float8[], $8::float8[],
      $9::bigint[], $10::bigint[], $11::smallint[], $12::text[], $13::text[], $14::bigint[], $15::bigint[])
      AS changed (${STEP_COLUMNS.join(', ')}),
    LATERAL (
      SELECT min(loss) AS least, max(loss) AS greatest FROM lossmeter.ranks
      WHERE ranks.run = changed.run AND ranks.step = changed.step
    ) range
  ON CONFLICT (run, step) DO UPDATE SET
    ${[...STEP_COLUMNS.slice(2), 'recorded_at', 'least', 'greatest', 'sequence'].map((name) => `${name} = excluded.${name}`).join(', ')}`;
