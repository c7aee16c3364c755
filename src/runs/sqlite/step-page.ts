import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CurvePoint, RecordedBatch } from '../record.ts';
import { PairSum } from '../step.ts';
import { MOST_MISSING } from '../store.ts';
import type { BatchPlace, StepPage } from '../store.ts';
import { readBatches } from './batches.ts';
import { JUDGED_COLUMNS, Judge } from './judging.ts';
import { toSums } from '../rows.ts';
import type { Statements } from './statements.ts';

/** Most rows per statement: other calls run between two statements. */
const ROWS_AT_ONCE = 10_000;

/** Reads a step with its batches from a place on. @param run id of the run */
export async function readStepPage(
  statements: Statements,
  run: number,
  from: BatchPlace,
  limit: number,
): Promise<StepPage | undefined> {
  const { step } = from;
  const isFirst = from.rank === 0 && from.microBatch === 0;
  for (;;) {
    const before = statements.snapshot(() => readPoint(statements, run, step));
    if (before === undefined) return undefined;
    const { point, expectedRanks } = before;
    // Reads this once per step, not once per page.
    const batches = isFirst ? await countBatches(statements, run, step, point.attempt) : undefined;
    const missing = point.complete ? [] : await missingRanks(statements, run, step, expectedRanks);
    const page = statements.snapshot(() => readPage(statements, run, from, limit));
    if (page === undefined) return undefined;
    // Repeats the reads when a trainer resumed meanwhile: the counts belong to the former attempt.
    if (page.point.attempt !== point.attempt) continue;
    return { ...page, batches, missingRanks: page.point.complete ? [] : missing };
  }
}

function readPoint(
  statements: Statements,
  run: number,
  step: number,
): { point: CurvePoint; expectedRanks: number } | undefined {
  const row = statements.get(`SELECT ${JUDGED_COLUMNS} FROM steps WHERE run = ? AND step = ?`, run, step);
  if (row === undefined) return undefined;
  const judge = new Judge(statements, run);
  return { point: judge.one(row), expectedRanks: judge.expectedRanks };
}

/** Reads the parts of a page that take bounded time. */
function readPage(
  statements: Statements,
  run: number,
  from: BatchPlace,
  limit: number,
): Pick<StepPage, 'point' | 'ranks' | 'next'> | undefined {
  const found = readPoint(statements, run, from.step);
  if (found === undefined) return undefined;
  const { batches, next } = readBatches(statements, run, from, from.step, limit);
  return {
    point: found.point,
    ranks: [...Map.groupBy(batches, ({ rank }) => rank)].map(([rank, own]) => ({
      rank,
      sum: sumOfRank(statements, run, own[0]!),
      batches: own,
    })),
    next,
  };
}

/** Totals of all batches of a rank, including batches on other pages. */
function sumOfRank(statements: Statements, run: number, { step, rank }: RecordedBatch) {
  const sql = 'SELECT numerators, denominators FROM ranks WHERE run = ? AND step = ? AND rank = ?';
  return PairSum.from(toSums(statements.get(sql, run, step, rank)!)).value;
}

async function countBatches(statements: Statements, run: number, step: number, attempt: number): Promise<number> {
  const sql = `SELECT rank, micro_batch FROM batches WHERE run = ? AND step = ? AND attempt = ?
    AND (rank, micro_batch) > (?, ?) ORDER BY rank, micro_batch LIMIT ?`;
  let count = 0;
  for (let last = [-1, -1]; ;) {
    const rows = statements.arrays(sql, run, step, attempt, ...last, ROWS_AT_ONCE) as [number, number][];
    count += rows.length;
    if (rows.length < ROWS_AT_ONCE) return count;
    last = rows.at(-1)!;
    await nextTurn();
  }
}

async function missingRanks(statements: Statements, run: number, step: number, expected: number): Promise<number[]> {
  const sql = 'SELECT rank FROM ranks WHERE run = ? AND step = ? AND rank >= ? ORDER BY rank LIMIT ?';
  const missing: number[] = [];
  for (let following = 0; ;) {
    const rows = statements.arrays(sql, run, step, following, ROWS_AT_ONCE) as [number][];
    const isLast = rows.length < ROWS_AT_ONCE;
    for (const rank of [...rows.map(([rank]) => rank), ...(isLast ? [expected] : [])]) {
      for (; following < Math.min(rank, expected); following++) {
        missing.push(following);
        if (missing.length === MOST_MISSING) return missing;
      }
      following = rank + 1;
    }
    if (isLast) return missing;
    await nextTurn();
  }
}
