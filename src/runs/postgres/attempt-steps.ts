import { heldRange, toScalarRow } from '../attempt-steps.ts';
import type { AttemptRows } from '../attempt-steps.ts';
import type { StepRange } from '../record.ts';
import { STEP_COLUMNS } from '../rows.ts';
import type { Row } from '../rows.ts';
import type { Attempt, Buckets, ScalarRow, Segment } from '../scalars.ts';
import type { Parameter, Queries } from './database.ts';
import { extremeColumns, toExtremes } from './extremes.ts';

/** Current steps of the attempt, followed by its superseded steps, as a table `steps`. */
const UNION = `(
    SELECT * FROM lossmeter.steps WHERE run = $1 AND attempt = $2
      AND step BETWEEN greatest($3::bigint, $5::bigint) AND least($4::bigint, $6::bigint)
    UNION ALL
    SELECT * FROM lossmeter.superseded_steps WHERE run = $1 AND attempt = $2 AND step BETWEEN $3 AND $4
  ) steps`
  .replace('SELECT *', `SELECT ${STEP_COLUMNS}, steps.loss`)
  .replace('SELECT *', `SELECT ${STEP_COLUMNS.replaceAll('steps.', 'superseded_steps.')}, superseded_steps.loss`);

const EXTREMES = extremeColumns('loss', { finite: 'loss IS NOT NULL', nonFinite: 'loss IS NULL' });

/** Steps of one attempt in PostgreSQL. */
export class PostgresAttemptRows implements AttemptRows {
  readonly #queries: Queries;
  readonly #key: readonly [run: number, attempt: number];
  /** Range in which steps of the curve can belong to the attempt. Other steps of the curve are not read. */
  readonly #held: StepRange;

  /** @param run id of the run @param live live attempts of the run */
  constructor(queries: Queries, run: number, attempt: number, live: readonly Attempt[]) {
    this.#queries = queries;
    this.#key = [run, attempt];
    const { from, to } = heldRange(live, attempt);
    this.#held = { from, to: Math.min(to, Number.MAX_SAFE_INTEGER) };
  }

  async liveAttempts(): Promise<Attempt[]> {
    return [];
  }

  async rows({ to }: Segment, [step, rank]: readonly [number, number], limit: number): Promise<ScalarRow[]> {
    const from = rank < 0 ? step : step + 1;
    const rows = await this.#rows(`SELECT * FROM ${UNION} ORDER BY step LIMIT $7`, { from, to }, limit);
    return rows.map(toScalarRow);
  }

  async lastRows(segment: Segment, limit: number): Promise<ScalarRow[]> {
    const rows = await this.#rows(`SELECT * FROM ${UNION} ORDER BY step DESC LIMIT $7`, segment, limit);
    return rows.map(toScalarRow);
  }

  async steps(segment: Segment, limit: number): Promise<number[]> {
    const rows = await this.#rows(`SELECT step FROM ${UNION} ORDER BY step LIMIT $7`, segment, limit);
    return rows.map((row) => Number(row['step']));
  }

  async ends(segment: Segment): Promise<StepRange | undefined> {
    const [row] = await this.#rows(`SELECT min(step) AS first, max(step) AS last FROM ${UNION}`, segment);
    const { first, last } = row!;
    return first === null || last === null ? undefined : { from: Number(first), to: Number(last) };
  }

  async extremes({ width, ...segment }: Buckets): Promise<{ finite: number[]; nonFinite: number[] }> {
    const sql = `SELECT ${EXTREMES} FROM ${UNION} GROUP BY (step - $3) / $7::bigint`;
    return toExtremes(await this.#rows(sql, segment, width));
  }

  async points(steps: readonly number[]): Promise<Row[]> {
    const ends = { from: steps[0] ?? 0, to: steps.at(-1) ?? -1 };
    return this.#rows(`SELECT * FROM ${UNION} WHERE step = ANY($7::bigint[]) ORDER BY step`, ends, steps);
  }

  #rows(sql: string, { from, to }: StepRange, ...values: Parameter[]): Promise<Row[]> {
    return this.#queries.rows(sql, ...this.#key, from, to, this.#held.from, this.#held.to, ...values);
  }
}
