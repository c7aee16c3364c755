import type { StepRange } from '../store.ts';
import type { Parameter, Queries } from './database.ts';

/** Steps of one kind within a range. */
const IN_RANGE = 'run = $1 AND step BETWEEN $2 AND $3';
const FINITE = `lossmeter.steps WHERE loss IS NOT NULL AND ${IN_RANGE}`;
const NON_FINITE = `lossmeter.steps WHERE non_finite = 1 AND ${IN_RANGE}`;

/**
 * Picks the steps that show the shape of a curve, as sqlite/sampling.ts does: the first and the last step; the non-finite
 * steps, or the ends of groups of them; and the least and the greatest loss of buckets with equally many finite losses.
 * @param queries of one state of the database
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
  const some = await steps(`SELECT step FROM lossmeter.steps WHERE ${IN_RANGE} ORDER BY step LIMIT $4`, maxPoints + 1);
  if (some.length <= maxPoints) return some;
  const counts = await queries.first(
    `SELECT (SELECT max(step) FROM lossmeter.steps WHERE ${IN_RANGE}) AS last,
      (SELECT count(*) FROM ${NON_FINITE}) AS non_finite, (SELECT count(*) FROM ${FINITE}) AS finite`,
    ...[run, from, to],
  );
  const picked = new Set([some[0]!, Number(counts!['last'])]);
  const left = maxPoints - picked.size;
  const [nonFinite, finite] = [Number(counts!['non_finite']), Number(counts!['finite'])];
  const share = Math.min(nonFinite, Math.max(1, Math.floor(left / 2), left - finite));
  const ends = await steps(ENDS, groupSize(nonFinite, share));
  for (const step of share === 1 ? ends.slice(0, 1) : ends) picked.add(step);
  const buckets = Math.floor((left - share) / 2);
  if (finite > 0 && buckets > 0)
    for (const step of await steps(EXTREMES, Math.ceil(finite / buckets))) picked.add(step);
  return [...picked].toSorted((a, b) => a - b);
}

/** Steps of a group whose two ends are shown: all groups together have as many ends as points are left. */
function groupSize(count: number, maxPoints: number): number {
  return count <= maxPoints ? 1 : Math.ceil(count / Math.max(1, Math.floor(maxPoints / 2)));
}

/** The first and the last step of groups of non-finite steps. */
const ENDS = `SELECT unnest(ARRAY[min(step), max(step)]) AS step
  FROM (SELECT step, (row_number() OVER (ORDER BY step) - 1) / $4::bigint AS part FROM ${NON_FINITE}) parts GROUP BY part
  ORDER BY step`;

/** The first steps with the least and with the greatest loss of buckets of finite losses. */
const EXTREMES = `WITH parts AS MATERIALIZED (
    SELECT step, loss, (row_number() OVER (ORDER BY step) - 1) / $4::bigint AS part FROM ${FINITE}
  ), bounds AS (SELECT part, min(loss) AS least, max(loss) AS greatest FROM parts GROUP BY part)
  SELECT unnest(ARRAY[
    min(step) FILTER (WHERE loss = least), min(step) FILTER (WHERE loss = greatest)
  ]) AS step FROM parts JOIN bounds USING (part) WHERE loss = least OR loss = greatest GROUP BY part`;
