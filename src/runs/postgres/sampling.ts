import type { StepRange } from '../record.ts';
import { groupSize, shareOfNonFinite } from '../points-share.ts';
import type { Parameter, Queries } from './database.ts';

/** Steps of one kind within a range. */
const IN_RANGE = 'run = $1 AND step BETWEEN $2 AND $3';
const FINITE = `lossmeter.steps WHERE loss IS NOT NULL AND ${IN_RANGE}`;
const NON_FINITE = `lossmeter.steps WHERE non_finite = 1 AND ${IN_RANGE}`;

/**
 * Picks the steps that show the shape of a curve, as sqlite/sampling.ts does: the first and the last step; the non-finite
 * steps, or the ends of groups of them; and the least and the greatest loss of buckets with equally many finite losses.
 * @param queries of one snapshot
 * @param run id of the run
 * @param maxPoints largest number of steps, at least 4
 * @returns steps, ascending
 */
export async function pickSteps(
  queries: Queries,
  run: number,
  { from, to }: StepRange,
  maxPoints: number,
): Promise<number[]> {
  const steps = async (sql: string, ...values: Parameter[]): Promise<number[]> =>
    (await queries.rows(sql, run, from, to, ...values)).map((row) => Number(row['step']));
  // An index provides the steps of each statement in order. Before statistics are gathered, the planner may avoid it.
  await queries.rows(PLAN_BY_INDEX);
  const some = await steps(`SELECT step FROM lossmeter.steps WHERE ${IN_RANGE} ORDER BY step LIMIT $4`, maxPoints + 1);
  if (some.length <= maxPoints) return some;
  const counts = await queries.first(COUNTS, run, from, to);
  const picked = new Set([some[0]!, Number(counts!['last'])]);
  const left = maxPoints - picked.size;
  const [nonFinite, finite] = [Number(counts!['non_finite']), Number(counts!['finite'])];
  const share = shareOfNonFinite(left, { nonFinite, finite });
  const ends = await steps(ENDS, groupSize(nonFinite, share));
  for (const step of share === 1 ? ends.slice(0, 1) : ends) picked.add(step);
  const buckets = Math.floor((left - share) / 2);
  if (finite > 0 && buckets > 0) {
    // Most runs have every step: their buckets need no search.
    const isDense = finite === Number(counts!['last']) - some[0]! + 1;
    const extremes = extremesOf(isDense ? PARTS_OF_ALL : PARTS);
    for (const step of await steps(extremes, Math.ceil(finite / buckets))) picked.add(step);
  }
  return [...picked].toSorted((a, b) => a - b);
}

/** Disables plans without an index, and JIT compilation, which would take longer than the statement. */
const PLAN_BY_INDEX = `SELECT ${['enable_sort', 'enable_bitmapscan', 'enable_seqscan', 'jit'].map((name) => `set_config('${name}', 'off', true)`).join(', ')}`;

/** The last step, and numbers of steps. For a whole run without non-finite steps, the row of the run has the number. */
const COUNTS = `SELECT bounds.last, bad.non_finite, CASE
    WHEN bad.non_finite = 0
      AND bounds.first = (SELECT min(step) FROM lossmeter.steps WHERE run = $1)
      AND bounds.last = (SELECT max(step) FROM lossmeter.steps WHERE run = $1)
    THEN (SELECT steps FROM lossmeter.runs WHERE id = $1)
    ELSE (SELECT count(*) FROM ${FINITE})
  END AS finite
  FROM (SELECT min(step) AS first, max(step) AS last FROM lossmeter.steps WHERE ${IN_RANGE}) bounds,
    (SELECT count(*) AS non_finite FROM ${NON_FINITE}) bad`;

/** The first and the last step of groups of non-finite steps. */
const ENDS = `SELECT unnest(ARRAY[min(step), max(step)]) AS step
  FROM (SELECT step, (row_number() OVER (ORDER BY step) - 1) / $4::bigint AS part FROM ${NON_FINITE}) parts GROUP BY part
  ORDER BY step`;

/** The first step of a part with a given loss, found by the index on (run, loss, step). */
const stepWith = (loss: string): string =>
  `(SELECT min(step) FROM lossmeter.steps WHERE run = $1 AND loss = ${loss} AND step BETWEEN part.first AND part.last)`;

/** Parts with equally many finite losses. Reads only an index: numbering a million rows would take a second. */
const PARTS = `WITH RECURSIVE ends AS (
    SELECT (SELECT min(step) FROM ${FINITE}) AS first
    UNION ALL
    SELECT (SELECT step FROM ${FINITE} AND step > ends.first ORDER BY step OFFSET $4::bigint - 1 LIMIT 1)
    FROM ends WHERE ends.first IS NOT NULL
  ), part AS MATERIALIZED (
    SELECT first, coalesce(lead(first) OVER (ORDER BY first) - 1, $3) AS last FROM ends WHERE first IS NOT NULL
  )`;

/** Parts of a range in which every step has a finite loss. */
const PARTS_OF_ALL = `WITH part AS MATERIALIZED (
    SELECT part_first AS first, least(part_first + $4::bigint - 1, bounds.last) AS last
    FROM (SELECT min(step) AS first, max(step) AS last FROM ${FINITE}) bounds,
      generate_series(bounds.first, bounds.last, $4::bigint) AS part_first
  )`;

/**
 * The first steps with the least and with the greatest loss of each part. The sum `loss + 0` keeps the planner from the
 * index on losses, in which the losses of a part can be anywhere.
 */
const extremesOf = (parts: string): string => `${parts}
  SELECT unnest(ARRAY[${stepWith('bounds.least')}, ${stepWith('bounds.greatest')}]) AS step
  FROM part CROSS JOIN LATERAL (
    SELECT min(s.loss + 0) AS least, max(s.loss + 0) AS greatest FROM lossmeter.steps s
    WHERE s.loss IS NOT NULL AND s.run = $1 AND s.step BETWEEN part.first AND part.last
  ) bounds`;
