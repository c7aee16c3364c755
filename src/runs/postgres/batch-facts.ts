import { DECLARED_LOSS } from '../../contract/limits.ts';
import { FACT_COLUMNS, toFact, toRowLosses, toStepOfAttempt } from '../batch-facts.ts';
import type { BatchFact, BatchFacts, PlaceInStep, StepOfAttempt } from '../batch-facts.ts';
import type { ScalarRow } from '../scalars.ts';
import type { BatchPlace } from '../store.ts';
import type { Queries } from './database.ts';
import { PostgresScalarRows, seriesOf } from './scalars.ts';

/** Facts of a run in PostgreSQL. */
export class PostgresBatchFacts implements BatchFacts {
  readonly #queries: Queries;
  readonly #run: number;

  /** @param run id of the run */
  constructor(queries: Queries, run: number) {
    this.#queries = queries;
    this.#run = run;
  }

  async batches({ step, attempt }: StepOfAttempt, from: PlaceInStep, limit: number): Promise<BatchFact[]> {
    const rows = await this.#queries.rows(
      `SELECT ${FACT_COLUMNS} FROM lossmeter.batches WHERE run = $1 AND step = $2 AND attempt = $3
        AND (rank, micro_batch) >= ($4, $5) ORDER BY rank, micro_batch LIMIT $6`,
      this.#run,
      step,
      attempt,
      from.rank,
      from.microBatch,
      limit,
    );
    return rows.map(toFact);
  }

  async curve({ step, rank, microBatch }: BatchPlace, limit: number): Promise<BatchFact[]> {
    // This is the order of the primary key, because only one attempt matches for each step.
    const rows = await this.#queries.rows(
      `SELECT ${FACT_COLUMNS} FROM lossmeter.batches JOIN lossmeter.steps USING (run, step, attempt)
        WHERE batches.run = $1 AND (batches.step, batches.attempt, batches.rank, batches.micro_batch)
          >= ($2, coalesce((SELECT attempt FROM lossmeter.steps WHERE run = $1 AND step = $2), 0), $3, $4)
        ORDER BY batches.step, batches.attempt, batches.rank, batches.micro_batch LIMIT $5`,
      this.#run,
      step,
      rank,
      microBatch,
      limit,
    );
    return rows.map(toFact);
  }

  async stepsBefore(step: number, limit: number): Promise<StepOfAttempt[]> {
    const rows = await this.#queries.rows(
      'SELECT step, attempt FROM lossmeter.steps WHERE run = $1 AND step < $2 ORDER BY step DESC LIMIT $3',
      this.#run,
      step,
      limit,
    );
    return rows.map(toStepOfAttempt);
  }

  async attemptsAt(step: number, limit: number): Promise<number[]> {
    // An index has the attempts of a step in order, so each is found without reading the batches of other attempts.
    const newest = (before: string): string =>
      `(SELECT max(attempt) FROM lossmeter.batches WHERE run = $1 AND step = $2${before})`;
    const rows = await this.#queries.rows(
      `WITH RECURSIVE found AS (
          SELECT ${newest('')} AS attempt
          UNION ALL SELECT ${newest(' AND attempt < found.attempt')} FROM found WHERE found.attempt IS NOT NULL
        ) SELECT attempt FROM found WHERE attempt IS NOT NULL LIMIT $3`,
      this.#run,
      step,
      limit,
    );
    return rows.map((row) => Number(row['attempt'])).toReversed();
  }

  async declared({ step, attempt }: StepOfAttempt, afterRank: number, limit: number): Promise<ScalarRow[]> {
    const series = await seriesOf(this.#queries, this.#run, DECLARED_LOSS);
    if (series === undefined) return [];
    const rows = new PostgresScalarRows(this.#queries, this.#run, series);
    return rows.rows({ attempt, from: step, to: step }, [step, afterRank], limit);
  }

  async rowLosses({ step, attempt, rank, microBatch }: StepOfAttempt & PlaceInStep): Promise<Float64Array | undefined> {
    const row = await this.#queries.first(
      `SELECT losses FROM lossmeter.row_losses
        WHERE run = $1 AND step = $2 AND attempt = $3 AND rank = $4 AND micro_batch = $5`,
      this.#run,
      step,
      attempt,
      rank,
      microBatch,
    );
    return toRowLosses(row);
  }
}
