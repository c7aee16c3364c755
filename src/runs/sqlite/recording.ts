import type { BatchKey, Outcome, Recording } from '../record.ts';
import { MOST_DROPPED, outcomeOf, stepToExtend } from '../recording.ts';
import type { KeyedRecording, RecordOutcome } from '../recording.ts';
import { addToRank, addToStep, batchColumns } from '../rows.ts';
import type { Row } from '../rows.ts';
import { packFailure } from './failure.ts';
import type { Failure } from './failure.ts';
import { isOfDatabase } from './sqlite-error.ts';
import type { Statements } from './statements.ts';

/** Outcome whose failure can go to another thread. */
type PackedOutcome = RecordOutcome<Failure>;

/** Number of steps that a transaction may still drop. */
interface DropBudget {
  left: number;
}

/**
 * Records micro-batches in their order, in one transaction. A recording with invalid values is rolled back separately.
 * @throws LossmeterError store_unavailable, SqliteError: then none is recorded
 */
export function recordBatches(
  statements: Statements,
  recordings: readonly KeyedRecording[],
  now: number,
): PackedOutcome[] {
  const budget: DropBudget = { left: MOST_DROPPED };
  return statements.transaction(() =>
    recordings.map(({ key, recording }) => {
      try {
        const outcome = statements.savepoint(() => recordBatch(statements, key, recording, now, budget));
        return outcome === 'dropping' ? { dropping: true } : { outcome };
      } catch (error) {
        // A fault of the disk or of the file fails all recordings, and can make SQLite end the transaction.
        if (!statements.isTransaction || isOfDatabase(error)) throw error;
        return { failure: packFailure(error) };
      }
    }),
  );
}

/** Records a micro-batch: inserts its row, and updates its rank, step and run. */
function recordBatch(
  statements: Statements,
  key: BatchKey,
  recording: Recording,
  now: number,
  budget: DropBudget,
): Outcome | 'dropping' {
  const { run: name, step, attempt, rank, microBatch } = key;
  const row = statements.get('SELECT id, expected_ranks FROM runs WHERE name = ?', name);
  const known = row && Number(row['id']);
  const last = known === undefined ? undefined : lastBefore(statements, known, step);
  const same =
    known === undefined
      ? undefined
      : statements.get(
          'SELECT digest FROM batches WHERE run = ? AND step = ? AND attempt = ? AND rank = ? AND micro_batch = ?',
          ...[known, step, attempt, rank, microBatch],
        );
  const outcome = outcomeOf(
    { key, recording },
    {
      expectedRanks: (row?.['expected_ranks'] ?? null) as number | null,
      attempt: last && Number(last['attempt']),
      digest: same?.['digest'] as Uint8Array | undefined,
    },
  );
  if (outcome !== undefined) return outcome;
  const run = known ?? createRun(statements, name, now);
  const before = Number(last?.['step']) === step ? last : undefined;
  if (!dropSuperseded(statements, run, key, budget)) return 'dropping';
  insertBatch(statements, run, key, recording, now);
  const nonFinite = addBatch(statements, run, key, recording, before, now);
  statements.run(
    `UPDATE runs SET updated_at = ?, batches = batches + 1, steps = steps + ?,
         non_finite_steps = non_finite_steps + ?, ranks = max(ranks, ?) WHERE id = ?`,
    ...[now, before === undefined ? 1 : 0],
    ...[Number(nonFinite) - Number(before?.['non_finite'] ?? 0), rank + 1, run],
  );
  return 'created';
}

/**
 * The last step up to a given one. It has the highest attempt so far: a trainer that resumes from a checkpoint
 * supersedes all later steps.
 */
export function lastBefore(statements: Statements, run: number, step: number): Row | undefined {
  return statements.get('SELECT * FROM steps WHERE run = ? AND step <= ? ORDER BY step DESC LIMIT 1', run, step);
}

/**
 * Drops steps of lower attempts after a given step, because its trainer resumed before them. Their batches stay.
 * Attempts ascend with the steps, so the steps to drop come first.
 * @returns true when no such step is left
 */
function dropSuperseded(statements: Statements, run: number, { step, attempt }: BatchKey, budget: DropBudget): boolean {
  const next = statements.get('SELECT attempt FROM steps WHERE run = ? AND step > ? ORDER BY step LIMIT 1', run, step);
  if (next === undefined || Number(next['attempt']) >= attempt) return true;
  const rows = statements.arrays(
    'SELECT step, attempt, non_finite FROM steps WHERE run = ? AND step > ? ORDER BY step LIMIT ?',
    ...[run, step, budget.left + 1],
  ) as [step: number, attempt: number, nonFinite: number][];
  const end = rows.findIndex(([, other]) => other >= attempt);
  const superseded = end === -1 ? rows : rows.slice(0, end);
  const dropped = superseded.slice(0, budget.left);
  if (dropped.length > 0) {
    statements.run('DELETE FROM steps WHERE run = ? AND step > ? AND step <= ?', run, step, dropped.at(-1)![0]);
    const bad = dropped.filter(([, , nonFinite]) => nonFinite === 1).length;
    statements.run(
      'UPDATE runs SET steps = steps - ?, non_finite_steps = non_finite_steps - ? WHERE id = ?',
      ...[dropped.length, bad, run],
    );
    budget.left -= dropped.length;
  }
  return dropped.length === superseded.length;
}

/** @returns id of the run */
export function createRun(statements: Statements, run: string, now: number): number {
  const sql = 'INSERT INTO runs (name, created_at, updated_at) VALUES (?, ?, ?) RETURNING id';
  return Number(statements.get(sql, run, now, now)!['id']);
}

function insertBatch(
  statements: Statements,
  run: number,
  { step, attempt, rank, microBatch }: BatchKey,
  recording: Recording,
  now: number,
): void {
  const { numerator, denominator, finite, summary, diagnostics, digest } = batchColumns(recording);
  statements.run(
    'INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ...[run, step, attempt, rank, microBatch, numerator, denominator, finite, summary, diagnostics, digest, now],
  );
}

/**
 * Adds a batch to its rank and to its step, which start again with a higher attempt.
 * @param before the step without this batch
 * @returns true when the step is not finite
 */
function addBatch(
  statements: Statements,
  run: number,
  key: BatchKey,
  recording: Recording,
  before: Row | undefined,
  now: number,
): boolean {
  const { step, attempt, rank } = key;
  const same = stepToExtend(before, key);
  // Rows of ranks with a lower attempt stay when their step is dropped.
  if (same === undefined) statements.run('DELETE FROM ranks WHERE run = ? AND step = ?', run, step);
  const isNewRank = addRank(statements, run, step, rank, recording);
  const of = addToStep(same, recording, key);
  const range = statements.get(
    'SELECT min(loss) AS least, max(loss) AS greatest FROM ranks WHERE run = ? AND step = ? AND loss IS NOT NULL',
    ...[run, step],
  );
  const sequence = statements.get('UPDATE sequence SET value = value + 1 RETURNING value')!['value']!;
  statements.run(
    'INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ...[run, step, attempt, of.numerators, of.denominators, of.numerator, of.denominator],
    ...[of.loss, Number(same?.['ranks'] ?? 0) + Number(isNewRank)],
    ...[range!['least']!, range!['greatest']!, of.bad_batches, of.non_finite, of.causes],
    ...[of.summary, of.summary_rank, of.summary_micro_batch, now, sequence],
  );
  return of.non_finite === 1;
}

/** @returns true for the first batch of the rank */
function addRank(statements: Statements, run: number, step: number, rank: number, recording: Recording): boolean {
  const known = statements.get(
    'SELECT numerators, denominators FROM ranks WHERE run = ? AND step = ? AND rank = ?',
    ...[run, step, rank],
  );
  const { numerators, denominators, loss } = addToRank(known, recording);
  statements.run(
    'INSERT OR REPLACE INTO ranks VALUES (?, ?, ?, ?, ?, ?)',
    ...[run, step, rank, numerators, denominators, loss],
  );
  return known === undefined;
}
