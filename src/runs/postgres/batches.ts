import { toBatch } from '../rows.ts';
import type { BatchPage, BatchPlace } from '../store.ts';
import type { Queries } from './database.ts';

/** Bounds of a page: batches, and bytes of their texts. */
const MOST_BATCHES = 500;
const MOST_BYTES = 192 * 1024;

/** Bytes of a batch as text, without its diagnostics: names, numbers, and the totals of its rank. */
const FIXED_BYTES = 320;

/**
 * A page of batches of the steps' highest attempts.
 * @param run id of the run
 * @param to the last step
 * @param limit largest number of batches
 */
export async function readBatches(
  queries: Queries,
  run: number,
  from: BatchPlace,
  to: number,
  limit = MOST_BATCHES,
): Promise<BatchPage> {
  // This is the order of the primary key, because only one attempt matches for each step.
  const rows = await queries.rows(
    `SELECT * FROM (
      SELECT batches.*, sum(${FIXED_BYTES} + coalesce(octet_length(diagnostics), 0)) OVER before AS bytes_before
      FROM lossmeter.batches JOIN lossmeter.steps USING (run, step, attempt)
      WHERE batches.run = $1 AND batches.step <= $3 AND (batches.step, batches.attempt, batches.rank, batches.micro_batch)
        >= ($2, coalesce((SELECT attempt FROM lossmeter.steps WHERE run = $1 AND step = $2), 0), $4, $5)
      WINDOW before AS (
        ORDER BY batches.step, batches.attempt, batches.rank, batches.micro_batch
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
      )
      ORDER BY batches.step, batches.attempt, batches.rank, batches.micro_batch LIMIT $6
    ) page`,
    run,
    from.step,
    to,
    from.rank,
    from.microBatch,
    limit + 1,
  );
  const fitting = rows.findIndex((row, k) => k === limit || Number(row['bytes_before'] ?? 0) > MOST_BYTES);
  const following = fitting === -1 ? undefined : rows[fitting]!;
  return {
    batches: (fitting === -1 ? rows : rows.slice(0, fitting)).map(toBatch),
    next: following && {
      step: Number(following['step']),
      rank: Number(following['rank']),
      microBatch: Number(following['micro_batch']),
    },
  };
}
