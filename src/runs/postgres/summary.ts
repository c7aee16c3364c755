import type { RunSummary } from '../record.ts';
import { SPARKLINE, lossOf, toSummary } from '../rows.ts';
import type { Row } from '../rows.ts';
import type { Queries } from './database.ts';
import { NOT_REMOVED } from './removal.ts';

/**
 * About evenly spaced losses of a run, found one by one by an index. Each is the first loss at or after its place, and
 * determines the next place.
 */
const LOSSES = `WITH RECURSIVE walk AS (
    SELECT first.step::double precision AS place, first.step, first.loss
    UNION ALL
    SELECT following.place, found.step, found.loss
    FROM walk,
      LATERAL (SELECT greatest(place + greatest(1, (last.step - first.step) / ${SPARKLINE - 1}.0::double precision), step + 1) AS place) following,
      LATERAL (SELECT step, loss FROM lossmeter.steps
        WHERE run = runs.id AND step >= floor(following.place)::bigint ORDER BY step LIMIT 1) found
    WHERE following.place <= last.step
  ) SELECT loss FROM walk WHERE loss IS NOT NULL LIMIT ${SPARKLINE}`;

const SUMMARIES = `SELECT runs.*, last.step AS last_step, last.numerator, last.denominator,
    best.step AS best_step, best.loss AS best_loss,
    CASE WHEN first.step IS NULL THEN '{}' ELSE ARRAY(${LOSSES}) END AS sparkline
  FROM lossmeter.runs
  LEFT JOIN LATERAL (SELECT step, loss FROM lossmeter.steps WHERE run = runs.id ORDER BY step LIMIT 1) first ON true
  LEFT JOIN LATERAL (
    SELECT step, numerator, denominator FROM lossmeter.steps WHERE run = runs.id ORDER BY step DESC LIMIT 1
  ) last ON true
  LEFT JOIN LATERAL (
    SELECT step, loss FROM lossmeter.steps WHERE run = runs.id AND loss IS NOT NULL ORDER BY loss, step LIMIT 1
  ) best ON true`;

function summaryOf(row: Row): RunSummary {
  const [last, best] = [row['last_step'], row['best_step']];
  return toSummary(row, {
    last: last === null ? undefined : { step: Number(last), loss: lossOf(row) },
    best: best === null ? undefined : { step: Number(best), loss: Number(row['best_loss']) },
    sparkline: row['sparkline'] as unknown as number[],
  });
}

/** Summary of a run: a few look-ups for any number of steps. */
export async function summaryByName(queries: Queries, name: string): Promise<RunSummary | undefined> {
  const row = await queries.first(`${SUMMARIES} WHERE runs.name = $1`, name);
  return row && summaryOf(row);
}

/** Summaries of runs by id, without runs that were deleted meanwhile. */
export async function summariesOf(queries: Queries, ids: readonly number[]): Promise<Map<number, RunSummary>> {
  const rows = await queries.rows(`${SUMMARIES} WHERE runs.id = ANY($1::bigint[]) AND ${NOT_REMOVED}`, ids);
  return new Map(rows.map((row) => [Number(row['id']), summaryOf(row)]));
}
