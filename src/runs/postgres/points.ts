/** Steps of runs as points of a curve. */
import { judged, judgedInOrder } from '../judging.ts';
import type { CurvePoint, StepRange } from '../record.ts';
import { STEP_COLUMNS, toStep } from '../rows.ts';
import type { Row } from '../rows.ts';
import type { Queries } from './database.ts';
import { comparedLosses, inOrder, lossesBefore } from './losses-before.ts';

const EXPECTED = 'coalesce(runs.expected_ranks, runs.ranks) AS expected';

/** Columns that `judged` needs: the number of ranks of a complete step, and the losses before the step. */
const JUDGING = `${EXPECTED}, ${comparedLosses({ run: 'steps.run', step: 'steps.step', loss: 'steps.loss' })} AS before`;

const POINTS = `SELECT ${STEP_COLUMNS}, ${JUDGING} FROM lossmeter.steps JOIN lossmeter.runs ON runs.id = steps.run`;

/** A point from a row of POINTS. */
function toPoint(row: Row): CurvePoint {
  return judged(toStep(row), inOrder(row['before']), Number(row['expected']));
}

/** Consecutive steps of a run. */
export async function stepsOf(
  queries: Queries,
  run: string,
  { from, to }: StepRange,
  limit: number,
): Promise<CurvePoint[]> {
  // Only the first step needs the losses before it from the database.
  const rows = await queries.rows(
    `WITH page AS (
      SELECT ${STEP_COLUMNS}, steps.run FROM lossmeter.steps
      WHERE run = (SELECT id FROM lossmeter.runs WHERE name = $1) AND step BETWEEN $2 AND $3 ORDER BY step LIMIT $4
    ), first AS (SELECT run, step FROM page ORDER BY step LIMIT 1)
    SELECT page.*, judging.* FROM page LEFT JOIN LATERAL (
      SELECT ${EXPECTED}, ${lossesBefore({ run: 'first.run', step: 'first.step' })} AS before FROM first JOIN lossmeter.runs ON runs.id = first.run
      WHERE first.step = page.step
    ) judging ON true ORDER BY page.step`,
    run,
    from,
    to,
    limit,
  );
  const [first] = rows;
  if (first === undefined) return [];
  return judgedInOrder(rows.map(toStep), inOrder(first['before']), Number(first['expected']));
}

/** Given steps of a run, in the given order. */
export async function stepsAt(queries: Queries, run: string, steps: readonly number[]): Promise<CurvePoint[]> {
  // Finds each step by the index: LIMIT keeps the planner from reading the whole run before statistics are gathered.
  const rows = await queries.rows(
    `SELECT ${STEP_COLUMNS}, ${JUDGING} FROM lossmeter.runs
      CROSS JOIN unnest($2::bigint[]) WITH ORDINALITY AS wanted (step, place)
      CROSS JOIN LATERAL (
        SELECT * FROM lossmeter.steps WHERE steps.run = runs.id AND steps.step = wanted.step LIMIT 1
      ) steps
      WHERE runs.name = $1 ORDER BY wanted.place`,
    run,
    steps,
  );
  return rows.map(toPoint);
}

/** Steps of one run that changed after a sequence number, in the order of their last changes. */
export async function changedSince(
  queries: Queries,
  run: string,
  sequence: number,
  limit: number,
): Promise<CurvePoint[]> {
  const sql = `${POINTS} WHERE runs.name = $1 AND sequence > $2 ORDER BY sequence LIMIT $3`;
  return (await queries.rows(sql, run, sequence, limit)).map(toPoint);
}

/** A step of a run, and the number of ranks of a complete step. */
export async function pointOf(
  queries: Queries,
  run: number,
  step: number,
): Promise<{ point: CurvePoint; expectedRanks: number } | undefined> {
  const row = await queries.first(`${POINTS} WHERE steps.run = $1 AND step = $2`, run, step);
  return row && { point: toPoint(row), expectedRanks: Number(row['expected']) };
}

/** Steps of all runs that changed after a sequence number, each with its run. */
export async function changedOfAll(
  queries: Queries,
  sequence: number,
  limit: number,
): Promise<{ run: string; runId: number; step: CurvePoint }[]> {
  const sql = `SELECT ${STEP_COLUMNS}, ${JUDGING}, runs.id, runs.name
    FROM lossmeter.steps JOIN lossmeter.runs ON runs.id = steps.run
    WHERE sequence > $1 ORDER BY sequence LIMIT $2`;
  return (await queries.rows(sql, sequence, limit)).map((row) => ({
    run: row['name'] as string,
    runId: Number(row['id']),
    step: toPoint(row),
  }));
}
