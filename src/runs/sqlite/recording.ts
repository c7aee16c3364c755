import type { BatchKey, Outcome, Recording } from '../record.ts';
import { PairSum, isWrong } from '../step.ts';
import { packFailure } from './failure.ts';
import type { Failure } from './failure.ts';
import { tellOf, toDiagnosticsText, toFinite, toReal, toSums } from './rows.ts';
import { isOfDatabase } from './sqlite-error.ts';
import type { Row, Statements } from './statements.ts';

/** A recording with the key of its micro-batch. */
export interface KeyedRecording {
  key: BatchKey;
  recording: Recording;
}

/**
 * Most steps that one transaction drops: with their indexes this takes about 10 ms. A recording that supersedes more
 * steps needs several transactions.
 */
export const MOST_DROPPED = 1000;

/**
 * Result of one recording in a transaction. `dropping`: the transaction dropped only some of the superseded steps, so
 * the caller must repeat the recording.
 */
export type RecordOutcome = { outcome: Outcome } | { failure: Failure } | { dropping: true };

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
): RecordOutcome[] {
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
  const row = statements.get('SELECT id, expected_ranks FROM runs WHERE name = ?', key.run);
  const expected = row?.['expected_ranks'] ?? null;
  if (expected !== null && key.rank >= Number(expected)) return 'unexpected';
  const run = row === undefined ? createRun(statements, key.run, now) : Number(row['id']);
  const { step, attempt, rank, microBatch } = key;
  const last = lastBefore(statements, run, step);
  if (last !== undefined && Number(last['attempt']) > attempt) return 'superseded';
  const before = Number(last?.['step']) === step ? last : undefined;
  const known = statements.get(
    'SELECT digest FROM batches WHERE run = ? AND step = ? AND attempt = ? AND rank = ? AND micro_batch = ?',
    ...[run, step, attempt, rank, microBatch],
  );
  if (known !== undefined) {
    return Buffer.compare(known['digest'] as Uint8Array, recording.digest) === 0 ? 'repeated' : 'conflict';
  }
  if (!dropSuperseded(statements, run, key, budget)) return 'dropping';
  insertBatch(statements, run, key, recording, now);
  const nonFinite = addToStep(statements, run, key, recording, before, now);
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
  const { numerator, denominator, diagnostics, digest } = recording;
  statements.run(
    'INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ...[run, step, attempt, rank, microBatch, toReal(numerator), toReal(denominator)],
    ...[diagnostics.verdict === 'finite' ? 1 : 0, diagnostics.summary, toDiagnosticsText(diagnostics)],
    ...[digest, now],
  );
}

/**
 * Adds a batch to its rank and to its step, which start again with a higher attempt.
 * @param before the step without this batch
 * @returns true when the step is not finite
 */
function addToStep(
  statements: Statements,
  run: number,
  key: BatchKey,
  recording: Recording,
  before: Row | undefined,
  now: number,
): boolean {
  const { step, attempt, rank, microBatch } = key;
  const same = before !== undefined && Number(before['attempt']) === attempt ? before : undefined;
  // Rows of ranks with a lower attempt stay when their step is dropped.
  if (same === undefined) statements.run('DELETE FROM ranks WHERE run = ? AND step = ?', run, step);
  const isNewRank = addToRank(statements, run, step, rank, recording);
  const sums = same === undefined ? PairSum.of() : PairSum.from(toSums(same));
  sums.add(recording);
  const value = sums.value;
  const range = statements.get(
    'SELECT min(loss) AS least, max(loss) AS greatest FROM ranks WHERE run = ? AND step = ? AND loss IS NOT NULL',
    ...[run, step],
  );
  const told = tellOf(same, recording, { rank, microBatch });
  const nonFinite = told.badBatches > 0 || isWrong(value);
  const { numerators, denominators } = sums.toBytes();
  const sequence = statements.get('UPDATE sequence SET value = value + 1 RETURNING value')!['value']!;
  statements.run(
    'INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ...[run, step, attempt, numerators, denominators, toReal(value.numerator), toReal(value.denominator)],
    ...[toFinite(value.loss), Number(same?.['ranks'] ?? 0) + Number(isNewRank)],
    ...[range!['least']!, range!['greatest']!, told.badBatches, Number(nonFinite), JSON.stringify(told.causes)],
    ...[told.summary, told.rank, told.microBatch, now, sequence],
  );
  return nonFinite;
}

/** @returns true for the first batch of the rank */
function addToRank(statements: Statements, run: number, step: number, rank: number, recording: Recording): boolean {
  const known = statements.get(
    'SELECT numerators, denominators FROM ranks WHERE run = ? AND step = ? AND rank = ?',
    ...[run, step, rank],
  );
  const sums = known === undefined ? PairSum.of() : PairSum.from(toSums(known));
  sums.add(recording);
  const { numerators, denominators } = sums.toBytes();
  statements.run(
    'INSERT OR REPLACE INTO ranks VALUES (?, ?, ?, ?, ?, ?)',
    ...[run, step, rank, numerators, denominators, toFinite(sums.value.loss)],
  );
  return known === undefined;
}
