import type { ChangedStep, Changeset } from '../changeset.ts';
import { batchColumns } from '../rows.ts';
import { TABLES } from '../tables.ts';
import type { TableName } from '../tables.ts';
import type { Statements } from './statements.ts';

/** Statements that insert a row or replace the row with the same key, by table. */
const REPLACE = Object.fromEntries(
  Object.entries(TABLES).map(([table, { columns }]) => [
    table,
    `INSERT OR REPLACE INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
  ]),
) as Record<TableName, string>;

/** Writes the changes of recordings. @param now in milliseconds since 1970 */
export function writeChanges(statements: Statements, changes: Changeset, now: number): void {
  for (const { run, attempt, firstStep } of changes.attempts) {
    statements.run(REPLACE.attempts, run, attempt, firstStep, 1);
    statements.run(
      'UPDATE attempts SET live = 0 WHERE run = ? AND first_step >= ? AND attempt < ? AND live = 1',
      run,
      firstStep,
      attempt,
    );
  }
  for (const { run, key, recording } of changes.batches) {
    const { step, attempt, rank, microBatch } = key;
    const { numerator, denominator, finite, summary, diagnostics, digest, ...others } = batchColumns(recording);
    statements.run(
      REPLACE.batches,
      run,
      step,
      attempt,
      rank,
      microBatch,
      numerator,
      denominator,
      finite,
      summary,
      diagnostics,
      digest,
      now,
      others.device,
      others.label_digest,
    );
    const { rowLosses } = recording;
    if (rowLosses !== undefined) {
      const bytes = new Uint8Array(rowLosses.buffer, rowLosses.byteOffset, rowLosses.byteLength);
      statements.run(REPLACE.row_losses, run, step, attempt, rank, microBatch, bytes);
    }
  }
  const steps = [...changes.steps];
  for (const { run, step, dropsRanks } of steps)
    if (dropsRanks) statements.run('DELETE FROM ranks WHERE run = ? AND step = ?', run, step);
  for (const { run, step, rank, numerators, denominators, loss } of changes.ranks)
    statements.run(REPLACE.ranks, run, step, rank, numerators, denominators, loss);
  writeSteps(statements, steps, now);
  for (const { run, series, name, points, isNew } of changes.series) {
    if (isNew) statements.run(REPLACE.series, run, series, name, points);
    else statements.run('UPDATE series SET points = points + ? WHERE run = ? AND series = ?', points, run, series);
  }
  for (const { run, series, attempt, step, rank, value } of changes.scalars)
    statements.run(REPLACE.scalars, run, series, attempt, step, rank, value);
  for (const { run, batches, steps: added, nonFinite, ranks, series } of changes.runs) {
    statements.run(
      `UPDATE runs SET updated_at = ?, batches = batches + ?, steps = steps + ?,
        non_finite_steps = non_finite_steps + ?, ranks = max(ranks, ?), series = series + ? WHERE id = ?`,
      now,
      batches,
      added,
      nonFinite,
      ranks,
      series,
      run,
    );
  }
}

/** Writes steps. Their ranks must be written before. */
function writeSteps(statements: Statements, steps: readonly ChangedStep[], now: number): void {
  if (steps.length === 0) return;
  const row = statements.get('UPDATE sequence SET value = value + ? RETURNING value', steps.length);
  let sequence = Number(row!['value']) - steps.length;
  for (const of of steps) {
    const range = statements.get(
      'SELECT min(loss) AS least, max(loss) AS greatest FROM ranks WHERE run = ? AND step = ? AND loss IS NOT NULL',
      of.run,
      of.step,
    );
    sequence++;
    statements.run(
      REPLACE.steps,
      of.run,
      of.step,
      of.attempt,
      of.numerators,
      of.denominators,
      of.numerator,
      of.denominator,
      of.loss,
      of.ranks,
      range!['least']!,
      range!['greatest']!,
      of.bad_batches,
      of.non_finite,
      of.causes,
      of.summary,
      of.summary_rank,
      of.summary_micro_batch,
      now,
      sequence,
    );
  }
}
