/** Changes of the tables by micro-batches that are recorded together, and the statements that make them. */
import type { BatchKey, Recording } from '../record.ts';
import { stepToExtend } from '../recording.ts';
import { addToRank, addToStep, batchColumns } from '../rows.ts';
import type { RankColumns, Row, StepColumns } from '../rows.ts';
import type { Parameter, Transaction } from './database.ts';
import type { KnownRecording } from './known.ts';
import { SEQUENCE_LOCK } from './locks.ts';

interface ChangedStep extends StepColumns {
  run: number;
  step: number;
  attempt: number;
  ranks: number;
  /** True for the first step of its attempt at this place. */
  isNew: boolean;
  /** True when ranks of lower attempts are there, which are dropped. */
  dropsRanks: boolean;
}

interface ChangedRank extends RankColumns {
  run: number;
  step: number;
  rank: number;
}

interface ChangedRun {
  batches: number;
  steps: number;
  nonFinite: number;
  ranks: number;
}

interface NewBatch {
  run: number;
  key: BatchKey;
  recording: Recording;
}

/** Micro-batches of runs of one attempt each, none of which supersedes a step. */
export class Changeset {
  readonly #now: number;
  readonly #batches = new Map<string, NewBatch>();
  readonly #ranks = new Map<string, ChangedRank>();
  readonly #steps = new Map<string, ChangedStep>();
  readonly #runs = new Map<number, ChangedRun>();
  readonly #attempts = new Map<number, number>();

  /** @param now in milliseconds since 1970 */
  constructor(now: number) {
    this.#now = now;
  }

  get isEmpty(): boolean {
    return this.#batches.size === 0;
  }

  /** True when the batches that were added change, of the facts about a micro-batch, only its own step and rank. */
  fits({ run, key }: KnownRecording): boolean {
    return (this.#attempts.get(run) ?? key.attempt) === key.attempt;
  }

  /** Digest of a micro-batch that was added; undefined when it was not. */
  digestOf({ run, key }: KnownRecording): Uint8Array | undefined {
    return this.#batches.get(batchName(run, key))?.recording.digest;
  }

  /** Adds a new micro-batch. */
  add({ run, key, recording, rank: knownRank, hasRanks, last }: KnownRecording): void {
    const { step, attempt, rank } = key;
    this.#attempts.set(run, attempt);
    this.#batches.set(batchName(run, key), { run, key, recording });
    const stepName = `${run} ${step}`;
    const changed = this.#steps.get(stepName);
    const before = Number(last?.['step']) === step ? last : undefined;
    const same = (changed as Row | undefined) ?? stepToExtend(before, key);
    const isNew = changed?.isNew ?? same === undefined;
    const rankName = `${stepName} ${rank}`;
    const sameRank = (this.#ranks.get(rankName) as Row | undefined) ?? (isNew ? undefined : knownRank);
    this.#ranks.set(rankName, { run, step, rank, ...addToRank(sameRank, recording) });
    const ranks = Number(same?.['ranks'] ?? 0) + (sameRank === undefined ? 1 : 0);
    const dropsRanks = changed?.dropsRanks ?? (isNew && hasRanks);
    const after = { run, step, attempt, ranks, isNew, dropsRanks, ...addToStep(same, recording, key) };
    this.#steps.set(stepName, after);
    const nonFiniteBefore = Number((changed ?? before)?.['non_finite'] ?? 0);
    const {
      batches,
      steps,
      nonFinite,
      ranks: most,
    } = this.#runs.get(run) ?? { batches: 0, steps: 0, nonFinite: 0, ranks: 0 };
    this.#runs.set(run, {
      batches: batches + 1,
      steps: steps + (changed === undefined && before === undefined ? 1 : 0),
      nonFinite: nonFinite + after.non_finite - nonFiniteBefore,
      ranks: Math.max(most, rank + 1),
    });
  }

  /** Sends the statements that write the changes. */
  write({ send }: Transaction): void {
    const steps = [...this.#steps.values()];
    const dropping = steps.filter(({ dropsRanks }) => dropsRanks);
    if (dropping.length > 0) send(DROP_RANKS, ...columns(dropping, ['run', 'step']));
    send(INSERT_BATCHES, ...this.#batchColumns());
    send(WRITE_RANKS, ...columns([...this.#ranks.values()], RANK_COLUMNS));
    send(UPDATE_RUNS, ...this.#runColumns(), this.#now);
    // From here on until the commit no other recorder takes sequence numbers.
    send(`SELECT pg_advisory_xact_lock(${SEQUENCE_LOCK})`);
    send(WRITE_STEPS, ...columns(steps, STEP_COLUMNS), this.#now);
  }

  #batchColumns(): Parameter[] {
    const rows = [...this.#batches.values()].map(({ run, key, recording }) => ({
      ...{ run, step: key.step, attempt: key.attempt, rank: key.rank, micro_batch: key.microBatch },
      ...batchColumns(recording),
      recorded_at: this.#now,
    }));
    return columns(rows, BATCH_COLUMNS);
  }

  #runColumns(): Parameter[] {
    const rows = [...this.#runs].map(([run, changes]) => ({ run, ...changes }));
    return columns(rows, ['run', 'batches', 'steps', 'nonFinite', 'ranks']);
  }
}

const batchName = (run: number, { step, attempt, rank, microBatch }: BatchKey): string =>
  `${run} ${step} ${attempt} ${rank} ${microBatch}`;

/** Columns of rows, each as one parameter. */
function columns<Name extends string>(
  rows: readonly Readonly<Record<Name, null | number | string | Uint8Array>>[],
  names: readonly Name[],
): Parameter[] {
  return names.map((name) => rows.map((row) => row[name]));
}

const BATCH_COLUMNS = [
  ...(['run', 'step', 'attempt', 'rank', 'micro_batch', 'numerator', 'denominator'] as const),
  ...(['finite', 'summary', 'diagnostics', 'digest', 'recorded_at'] as const),
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
    $8::smallint[], $9::text[], $10::text[], $11::bytea[], $12::bigint[])`;

const WRITE_RANKS = `INSERT INTO lossmeter.ranks (${RANK_COLUMNS.join(', ')})
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[], $6::float8[])
  ON CONFLICT (run, step, rank) DO UPDATE SET
    numerators = excluded.numerators, denominators = excluded.denominators, loss = excluded.loss`;

const UPDATE_RUNS = `UPDATE lossmeter.runs SET updated_at = $6, batches = runs.batches + changed.batches,
    steps = runs.steps + changed.steps, non_finite_steps = non_finite_steps + changed.non_finite,
    ranks = greatest(runs.ranks, changed.ranks)
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
    AS changed (run, batches, steps, non_finite, ranks)
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
