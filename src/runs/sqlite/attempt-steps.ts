import type { StepRange } from '../record.ts';
import { STEP_COLUMNS } from '../rows.ts';
import type { Row } from '../rows.ts';
import type { Attempt, Buckets, ScalarRow, Segment } from '../scalars.ts';
import { heldRange, toScalarRow } from '../attempt-steps.ts';
import type { AttemptRows } from '../attempt-steps.ts';
import { extremesOf } from './extremes.ts';
import type { Statements } from './statements.ts';

type Value = number | null;

/** SQL for the current steps of the attempt, and for its superseded steps. */
const unionOf = (columns: string): string =>
  ['steps', 'superseded_steps']
    .map(
      (table) => `SELECT ${columns.replaceAll('steps.', `${table}.`)} FROM ${table}
        WHERE run = ? AND attempt = ? AND step BETWEEN ? AND ?`,
    )
    .join(' UNION ALL ');

const LOSSES = unionOf('step, loss, numerator, denominator');

/** Steps of one attempt in SQLite. Other calls run between its statements. */
export class SqliteAttemptRows implements AttemptRows {
  readonly #statements: Statements;
  readonly #run: number;
  readonly #attempt: number;
  /** Range in which steps of the curve can belong to the attempt. Other steps of the curve are not read. */
  readonly #held: StepRange;

  /** @param run id of the run @param live live attempts of the run */
  constructor(statements: Statements, run: number, attempt: number, live: readonly Attempt[]) {
    this.#statements = statements;
    this.#run = run;
    this.#attempt = attempt;
    this.#held = heldRange(live, attempt);
  }

  async liveAttempts(): Promise<Attempt[]> {
    return [];
  }

  async rows({ to }: Segment, [step, rank]: readonly [number, number], limit: number): Promise<ScalarRow[]> {
    const from = rank < 0 ? step : step + 1;
    return this.#all(`${LOSSES} ORDER BY step LIMIT ?`, from, to, limit).map(toScalarRow);
  }

  async lastRows({ from, to }: Segment, limit: number): Promise<ScalarRow[]> {
    return this.#all(`${LOSSES} ORDER BY step DESC LIMIT ?`, from, to, limit).map(toScalarRow);
  }

  async steps({ from, to }: Segment, limit: number): Promise<number[]> {
    return this.#all(`${unionOf('step')} ORDER BY step LIMIT ?`, from, to, limit).map((row) => Number(row['step']));
  }

  async ends({ from, to }: Segment): Promise<StepRange | undefined> {
    const [first, last] = this.#row(`SELECT min(step), max(step) FROM (${unionOf('step')})`, from, to);
    return typeof first === 'number' && typeof last === 'number' ? { from: first, to: last } : undefined;
  }

  extremes(buckets: Buckets): Promise<{ finite: number[]; nonFinite: number[] }> {
    return extremesOf(buckets, ({ columns, condition }, { from, to }, ...values) => {
      const sql = `SELECT ${columns} FROM (SELECT step, loss AS value FROM (${LOSSES})) WHERE ${condition}`;
      return this.#row(sql, from, to, ...values);
    });
  }

  async points(steps: readonly number[]): Promise<Row[]> {
    return steps.flatMap((step) => this.#all(unionOf(STEP_COLUMNS), step, step));
  }

  #all(sql: string, from: number, to: number, ...values: number[]): Row[] {
    return this.#statements.all(sql, ...this.#bounds(from, to), ...values);
  }

  #row(sql: string, from: number, to: number, ...values: number[]): Value[] {
    return (this.#statements.arrays(sql, ...this.#bounds(from, to), ...values)[0] ?? []) as Value[];
  }

  #bounds(from: number, to: number): number[] {
    const key = [this.#run, this.#attempt];
    return [...key, Math.max(from, this.#held.from), Math.min(to, this.#held.to), ...key, from, to];
  }
}
