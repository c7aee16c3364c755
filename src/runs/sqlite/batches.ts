import { stringify } from '../../wire/json-text/stringify.ts';
import type { BatchPage, BatchPlace } from '../store.ts';
import type { RecordedBatch } from '../record.ts';
import { toBatch } from '../rows.ts';
import type { Statements } from './statements.ts';

/** Bounds of a page: batches, and characters of their texts. */
const MOST_BATCHES = 500;
const MOST_CHARACTERS = 192 * 1024;

/** Characters of a batch as text, without its diagnostics: names, numbers, and the totals of its rank. */
const FIXED_CHARACTERS = 320;

/** Most steps of a page: steps without batches take time, too. */
const MOST_STEPS = 500;

/**
 * A page of batches of the steps' highest attempts.
 * @param run id of the run
 * @param to the last step
 * @param limit largest number of batches
 */
export function readBatches(
  statements: Statements,
  run: number,
  from: BatchPlace,
  to: number,
  limit = MOST_BATCHES,
): BatchPage {
  const steps = statements.arrays(
    'SELECT step, attempt FROM steps WHERE run = ? AND step BETWEEN ? AND ? ORDER BY step LIMIT ?',
    run,
    from.step,
    to,
    MOST_STEPS + 1,
  ) as [number, number][];
  const batches: RecordedBatch[] = [];
  let characters = 0;
  for (const [step, attempt] of steps.slice(0, MOST_STEPS)) {
    const { rank, microBatch } = step === from.step ? from : { rank: 0, microBatch: 0 };
    const rows = statements.iterate(
      `SELECT * FROM batches WHERE run = ? AND step = ? AND attempt = ? AND (rank, micro_batch) >= (?, ?)
        ORDER BY rank, micro_batch`,
      run,
      step,
      attempt,
      rank,
      microBatch,
    );
    for (const row of rows) {
      if (batches.length === limit || characters > MOST_CHARACTERS) {
        return { batches, next: { step, rank: Number(row['rank']), microBatch: Number(row['micro_batch']) } };
      }
      const batch = toBatch(row);
      batches.push(batch);
      characters += FIXED_CHARACTERS + stringify(batch.diagnostics).length;
    }
  }
  const following = steps[MOST_STEPS];
  return { batches, next: following && { step: following[0], rank: 0, microBatch: 0 } };
}
