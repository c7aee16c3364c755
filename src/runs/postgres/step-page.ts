import { PairSum } from '../step.ts';
import { toSums } from '../rows.ts';
import { MOST_MISSING } from '../store.ts';
import type { BatchPlace, StepPage } from '../store.ts';
import { readBatches } from './batches.ts';
import type { Queries } from './database.ts';
import { pointOf } from './points.ts';

/** Reads a step with its batches from a place on. @param queries of one snapshot @param run id of the run */
export async function readStepPage(
  queries: Queries,
  run: number,
  from: BatchPlace,
  limit: number,
): Promise<StepPage | undefined> {
  const { step } = from;
  const found = await pointOf(queries, run, step);
  if (found === undefined) return undefined;
  const { point, expectedRanks } = found;
  const { batches, next } = await readBatches(queries, run, from, step, limit);
  const ranks = [...Map.groupBy(batches, ({ rank }) => rank)];
  const sums = await sumsOf(
    queries,
    run,
    step,
    ranks.map(([rank]) => rank),
  );
  const isFirst = from.rank === 0 && from.microBatch === 0;
  return {
    point,
    // Reads this once per step, not once per page.
    batches: isFirst ? await countBatches(queries, run, step, point.attempt) : undefined,
    missingRanks: point.complete ? [] : await missingRanks(queries, run, step, expectedRanks),
    ranks: ranks.map(([rank, own]) => ({ rank, sum: sums.get(rank)!.value, batches: own })),
    next,
  };
}

/** Totals of all batches of some ranks, including batches on other pages. */
async function sumsOf(
  queries: Queries,
  run: number,
  step: number,
  ranks: readonly number[],
): Promise<Map<number, PairSum>> {
  const sql = `SELECT rank, numerators, denominators FROM lossmeter.ranks
    WHERE run = $1 AND step = $2 AND rank = ANY($3::bigint[])`;
  const rows = await queries.rows(sql, run, step, ranks);
  return new Map(rows.map((row) => [Number(row['rank']), PairSum.from(toSums(row))]));
}

async function countBatches(queries: Queries, run: number, step: number, attempt: number): Promise<number> {
  const sql = 'SELECT count(*) AS count FROM lossmeter.batches WHERE run = $1 AND step = $2 AND attempt = $3';
  return Number((await queries.first(sql, run, step, attempt))!['count']);
}

async function missingRanks(queries: Queries, run: number, step: number, expected: number): Promise<number[]> {
  const rows = await queries.rows(
    `SELECT rank FROM generate_series(0, $3::bigint - 1) AS rank
      WHERE NOT EXISTS (SELECT FROM lossmeter.ranks WHERE run = $1 AND step = $2 AND ranks.rank = rank.rank)
      ORDER BY rank LIMIT ${MOST_MISSING}`,
    run,
    step,
    expected,
  );
  return rows.map((row) => Number(row['rank']));
}
