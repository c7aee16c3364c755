import type { StepRange } from '../record.ts';
import { fromReal, toAttempt, toExportPage } from '../rows.ts';
import { MOST_ATTEMPTS, lastValue } from '../scalars.ts';
import type {
  Attempt,
  Buckets,
  ScalarExportPage,
  ScalarPlace,
  ScalarRow,
  ScalarRows,
  ScalarSummary,
  Segment,
} from '../scalars.ts';
import type { Parameter, Queries } from './database.ts';
import { extremeColumns, toExtremes } from './extremes.ts';

const IN_SEGMENT = 'run = $1 AND series = $2 AND attempt = $3 AND step BETWEEN $4 AND $5';
const EXTREMES = extremeColumns('value', {
  finite: "value > '-Infinity' AND value < 'Infinity'",
  nonFinite: "(value IS NULL OR value IN ('-Infinity', 'Infinity'))",
});

/** Rows of a series in PostgreSQL. */
export class PostgresScalarRows implements ScalarRows {
  readonly #queries: Queries;
  readonly #run: number;
  readonly #series: number;

  /** @param run id of the run @param series number of the series within the run */
  constructor(queries: Queries, run: number, series: number) {
    this.#queries = queries;
    this.#run = run;
    this.#series = series;
  }

  liveAttempts(to: number, limit: number): Promise<Attempt[]> {
    return liveAttempts(this.#queries, this.#run, to, limit);
  }

  rows({ attempt, to }: Segment, after: readonly [number, number], limit: number): Promise<ScalarRow[]> {
    return this.#rows(
      `SELECT step, rank, value FROM lossmeter.scalars WHERE run = $1 AND series = $2 AND attempt = $3
        AND (step, rank) > ($4, $5) AND step <= $6 ORDER BY step, rank LIMIT $7`,
      attempt,
      ...after,
      to,
      limit,
    );
  }

  lastRows({ attempt, from, to }: Segment, limit: number): Promise<ScalarRow[]> {
    return this.#rows(
      `SELECT step, rank, value FROM lossmeter.scalars WHERE ${IN_SEGMENT} ORDER BY step DESC, rank DESC LIMIT $6`,
      attempt,
      from,
      to,
      limit,
    );
  }

  steps({ attempt, from, to }: Segment, limit: number): Promise<number[]> {
    return this.#steps(
      `SELECT DISTINCT step FROM lossmeter.scalars WHERE ${IN_SEGMENT} ORDER BY step LIMIT $6`,
      attempt,
      from,
      to,
      limit,
    );
  }

  async ends({ attempt, from, to }: Segment): Promise<StepRange | undefined> {
    const row = await this.#queries.first(
      `SELECT min(step) AS first, max(step) AS last FROM lossmeter.scalars WHERE ${IN_SEGMENT}`,
      this.#run,
      this.#series,
      attempt,
      from,
      to,
    );
    const [first, last] = [row!['first'], row!['last']];
    return first === null || last === null ? undefined : { from: Number(first), to: Number(last) };
  }

  async extremes({ attempt, from, to, width }: Buckets): Promise<{ finite: number[]; nonFinite: number[] }> {
    const rows = await this.#queries.rows(
      `SELECT ${EXTREMES} FROM lossmeter.scalars WHERE ${IN_SEGMENT} GROUP BY (step - $4) / $6::bigint`,
      this.#run,
      this.#series,
      attempt,
      from,
      to,
      width,
    );
    return toExtremes(rows);
  }

  async #rows(sql: string, ...values: Parameter[]): Promise<ScalarRow[]> {
    const rows = await this.#queries.rows(sql, this.#run, this.#series, ...values);
    return rows.map((row) => [Number(row['step']), Number(row['rank']), fromReal(row['value'])]);
  }

  async #steps(sql: string, ...values: Parameter[]): Promise<number[]> {
    return (await this.#queries.rows(sql, this.#run, this.#series, ...values)).map((row) => Number(row['step']));
  }
}

/** Number of a series within its run; undefined for an unknown name. @param run id of the run */
export async function seriesOf(queries: Queries, run: number, name: string): Promise<number | undefined> {
  const row = await queries.first('SELECT series FROM lossmeter.series WHERE run = $1 AND name = $2', run, name);
  return row && Number(row['series']);
}

export async function listScalars(queries: Queries, run: number): Promise<ScalarSummary[]> {
  const rows = await queries.rows(
    'SELECT series, name, points FROM lossmeter.series WHERE run = $1 ORDER BY name',
    run,
  );
  return Promise.all(
    rows.map(async (row) => ({
      name: row['name'] as string,
      points: Number(row['points']),
      last: await lastValue(new PostgresScalarRows(queries, run, Number(row['series']))),
    })),
  );
}

/** Live attempts of a run that begin at or before the step `to`, in the order of their first steps. */
export async function liveAttempts(queries: Queries, run: number, to: number, limit: number): Promise<Attempt[]> {
  const rows = await queries.rows(
    `SELECT attempt, first_step, live FROM lossmeter.attempts WHERE run = $1 AND first_step <= $2 AND live = 1
      ORDER BY first_step LIMIT $3`,
    run,
    to,
    limit,
  );
  return rows.map(toAttempt);
}

/** The last MOST_ATTEMPTS attempts of a run, ascending. */
export async function listAttempts(queries: Queries, run: number): Promise<Attempt[]> {
  const rows = await queries.rows(
    'SELECT attempt, first_step, live FROM lossmeter.attempts WHERE run = $1 ORDER BY attempt DESC LIMIT $2',
    run,
    MOST_ATTEMPTS,
  );
  return rows.toReversed().map(toAttempt);
}

/** Numbers of all series after a place. @param run id of the run */
export async function exportScalars(
  queries: Queries,
  run: number,
  after: ScalarPlace,
  limit: number,
): Promise<ScalarExportPage> {
  const rows = await queries.rows(
    `SELECT series, name, v.attempt, v.step, v.rank, v.value, (v.attempt = (
        SELECT attempt FROM lossmeter.attempts a WHERE a.run = v.run AND a.first_step <= v.step AND a.live = 1
        ORDER BY a.first_step DESC LIMIT 1
      ))::int AS holds
      FROM lossmeter.scalars v JOIN lossmeter.series USING (run, series)
      WHERE v.run = $1 AND (series, v.attempt, v.step, v.rank) > ($2, $3, $4, $5)
      ORDER BY series, v.attempt, v.step, v.rank LIMIT $6`,
    run,
    after.series,
    after.attempt,
    after.step,
    after.rank,
    limit,
  );
  return toExportPage(rows, limit);
}
