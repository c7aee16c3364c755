import { setImmediate as nextTurn } from 'node:timers/promises';
import { DECLARED_LOSS } from '../../contract/limits.ts';
import { FACT_COLUMNS, toFact, toRowLosses, toStepOfAttempt } from '../batch-facts.ts';
import type { BatchFact, BatchFacts, PlaceInStep, StepOfAttempt } from '../batch-facts.ts';
import type { Row } from '../rows.ts';
import type { ScalarRow } from '../scalars.ts';
import type { BatchPlace } from '../store.ts';
import { SqliteScalarRows, seriesOf } from './scalars.ts';
import type { Statements } from './statements.ts';

/** Rows after which other calls run. */
const ROWS_OF_TURN = 500;

/** Facts of a run in SQLite. Other calls run between its statements. */
export class SqliteBatchFacts implements BatchFacts {
  readonly #statements: Statements;
  readonly #run: number;

  /** @param run id of the run */
  constructor(statements: Statements, run: number) {
    this.#statements = statements;
    this.#run = run;
  }

  async batches({ step, attempt }: StepOfAttempt, from: PlaceInStep, limit: number): Promise<BatchFact[]> {
    const rows = this.#statements.all(
      `SELECT ${FACT_COLUMNS} FROM batches WHERE run = ? AND step = ? AND attempt = ? AND (rank, micro_batch) >= (?, ?)
        ORDER BY rank, micro_batch LIMIT ?`,
      this.#run,
      step,
      attempt,
      from.rank,
      from.microBatch,
      limit,
    );
    return factsOf(rows);
  }

  async curve({ step, rank, microBatch }: BatchPlace, limit: number): Promise<BatchFact[]> {
    const rows = this.#statements.all(
      `SELECT ${FACT_COLUMNS} FROM steps CROSS JOIN batches USING (run, step, attempt)
        WHERE steps.run = ? AND steps.step >= ? AND (steps.step > ? OR (rank, micro_batch) >= (?, ?))
        ORDER BY steps.step, rank, micro_batch LIMIT ?`,
      this.#run,
      step,
      step,
      rank,
      microBatch,
      limit,
    );
    return factsOf(rows);
  }

  async stepsBefore(step: number, limit: number): Promise<StepOfAttempt[]> {
    const sql = 'SELECT step, attempt FROM steps WHERE run = ? AND step < ? ORDER BY step DESC LIMIT ?';
    return this.#statements.all(sql, this.#run, step, limit).map(toStepOfAttempt);
  }

  async attemptsAt(step: number, limit: number): Promise<number[]> {
    const sql = 'SELECT max(attempt) AS attempt FROM batches WHERE run = ? AND step = ? AND attempt < ?';
    const attempts: number[] = [];
    for (let before = Number.MAX_SAFE_INTEGER; attempts.length < limit;) {
      const found = this.#statements.get(sql, this.#run, step, before)!['attempt'];
      if (found === null) break;
      before = Number(found);
      attempts.unshift(before);
    }
    return attempts;
  }

  async declared({ step, attempt }: StepOfAttempt, afterRank: number, limit: number): Promise<ScalarRow[]> {
    const series = seriesOf(this.#statements, this.#run, DECLARED_LOSS);
    if (series === undefined) return [];
    const rows = new SqliteScalarRows(this.#statements, this.#run, series);
    return rows.rows({ attempt, from: step, to: step }, [step, afterRank], limit);
  }

  async rowLosses({ step, attempt, rank, microBatch }: StepOfAttempt & PlaceInStep): Promise<Float64Array | undefined> {
    const row = this.#statements.get(
      'SELECT losses FROM row_losses WHERE run = ? AND step = ? AND attempt = ? AND rank = ? AND micro_batch = ?',
      this.#run,
      step,
      attempt,
      rank,
      microBatch,
    );
    return toRowLosses(row);
  }
}

async function factsOf(rows: readonly Row[]): Promise<BatchFact[]> {
  const facts = rows.map(toFact);
  if (rows.length >= ROWS_OF_TURN) await nextTurn();
  return facts;
}
