import type { StepRange } from '../record.ts';
import { fromReal, toAttempt, toExportPage } from '../rows.ts';
import type { Row } from '../rows.ts';
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
import { extremesOf } from './extremes.ts';
import type { Statements } from './statements.ts';

const IN_SEGMENT = 'run = ? AND series = ? AND attempt = ? AND step BETWEEN ? AND ?';

/** Rows of a series in SQLite. Other calls run between its statements. */
export class SqliteScalarRows implements ScalarRows {
  readonly #statements: Statements;
  readonly #run: number;
  readonly #series: number;

  /** @param run id of the run @param series number of the series within it */
  constructor(statements: Statements, run: number, series: number) {
    this.#statements = statements;
    this.#run = run;
    this.#series = series;
  }

  async liveAttempts(to: number, limit: number): Promise<Attempt[]> {
    return liveAttempts(this.#statements, this.#run, to, limit);
  }

  async rows({ attempt, to }: Segment, after: readonly [number, number], limit: number): Promise<ScalarRow[]> {
    return this.#rows(
      `SELECT step, rank, value FROM scalars WHERE run = ? AND series = ? AND attempt = ? AND (step, rank) > (?, ?)
        AND step <= ? ORDER BY step, rank LIMIT ?`,
      attempt,
      ...after,
      to,
      limit,
    );
  }

  async lastRows({ attempt, from, to }: Segment, limit: number): Promise<ScalarRow[]> {
    return this.#rows(
      `SELECT step, rank, value FROM scalars WHERE ${IN_SEGMENT} ORDER BY step DESC, rank DESC LIMIT ?`,
      attempt,
      from,
      to,
      limit,
    );
  }

  async steps({ attempt, from, to }: Segment, limit: number): Promise<number[]> {
    return this.#steps(
      `SELECT DISTINCT step FROM scalars WHERE ${IN_SEGMENT} ORDER BY step LIMIT ?`,
      attempt,
      from,
      to,
      limit,
    );
  }

  async ends({ attempt, from, to }: Segment): Promise<StepRange | undefined> {
    const end = (of: 'min' | 'max'): number | undefined =>
      this.#steps(`SELECT ${of}(step) FROM scalars WHERE ${IN_SEGMENT}`, attempt, from, to)[0];
    const [first, last] = [end('min'), end('max')];
    return typeof first === 'number' && typeof last === 'number' ? { from: first, to: last } : undefined;
  }

  extremes(buckets: Buckets): Promise<{ finite: number[]; nonFinite: number[] }> {
    return extremesOf(buckets, ({ columns, condition }, { from, to }, ...values) => {
      const sql = `SELECT ${columns} FROM scalars WHERE ${IN_SEGMENT} AND ${condition}`;
      return this.#row(sql, buckets.attempt, from, to, ...values);
    });
  }

  #rows(sql: string, ...values: number[]): ScalarRow[] {
    return this.#statements
      .arrays(sql, this.#run, this.#series, ...values)
      .map(([step, rank, value]) => [Number(step), Number(rank), fromReal(value as Row[string])]);
  }

  #row(sql: string, ...values: number[]): (number | null)[] {
    return (this.#statements.arrays(sql, this.#run, this.#series, ...values)[0] ?? []) as (number | null)[];
  }

  #steps(sql: string, ...values: number[]): number[] {
    return this.#statements.arrays(sql, this.#run, this.#series, ...values).map(([step]) => step as number);
  }
}

/** Number of a series within its run; undefined for an unknown name. @param run id of the run */
export function seriesOf(statements: Statements, run: number, name: string): number | undefined {
  const row = statements.get('SELECT series FROM series WHERE run = ? AND name = ?', run, name);
  return row && Number(row['series']);
}

export async function listScalars(statements: Statements, run: number): Promise<ScalarSummary[]> {
  const rows = statements.all('SELECT series, name, points FROM series WHERE run = ? ORDER BY name', run);
  const summaries: ScalarSummary[] = [];
  for (const row of rows) {
    const last = await lastValue(new SqliteScalarRows(statements, run, Number(row['series'])));
    summaries.push({ name: row['name'] as string, points: Number(row['points']), last });
  }
  return summaries;
}

/** Live attempts of a run that begin before the end of a range, in the order of their first steps. */
export function liveAttempts(statements: Statements, run: number, to: number, limit: number): Attempt[] {
  const rows = statements.all(
    'SELECT attempt, first_step, live FROM attempts WHERE run = ? AND first_step <= ? AND live = 1 ORDER BY first_step LIMIT ?',
    run,
    to,
    limit,
  );
  return rows.map(toAttempt);
}

/** All attempts of a run, in their order. */
export function listAttempts(statements: Statements, run: number): Attempt[] {
  const rows = statements.all(
    'SELECT attempt, first_step, live FROM attempts WHERE run = ? ORDER BY attempt DESC LIMIT ?',
    run,
    MOST_ATTEMPTS,
  );
  return rows.toReversed().map(toAttempt);
}

/** Numbers of all series after a place. @param run id of the run */
export function exportScalars(
  statements: Statements,
  run: number,
  after: ScalarPlace,
  limit: number,
): ScalarExportPage {
  const rows = statements.all(
    `SELECT series, name, attempt, step, rank, value, attempt = (
        SELECT attempt FROM attempts a WHERE a.run = v.run AND a.first_step <= v.step AND a.live = 1
        ORDER BY a.first_step DESC LIMIT 1
      ) AS holds
      FROM scalars v JOIN series USING (run, series)
      WHERE run = ? AND (series, attempt, step, rank) > (?, ?, ?, ?) ORDER BY series, attempt, step, rank LIMIT ?`,
    run,
    after.series,
    after.attempt,
    after.step,
    after.rank,
    limit,
  );
  return toExportPage(rows, limit);
}
