import type { RunSummary } from '../record.ts';
import { SPARKLINE, fromReal, lossOf, toSummary } from '../rows.ts';
import type { Row } from '../rows.ts';
import type { Statements } from './statements.ts';

/** Summary of a run from its row: a few look-ups for any number of steps. */
export function summarize(statements: Statements, row: Row): RunSummary {
  const id = Number(row['id']);
  const first = lossAt(statements, id, 0);
  const last = lastOf(statements, id);
  const best = statements.get(
    'SELECT step, loss FROM steps WHERE run = ? AND loss IS NOT NULL ORDER BY loss, step LIMIT 1',
    id,
  );
  return toSummary(row, {
    last,
    best: best && { step: Number(best['step']), loss: Number(best['loss']) },
    sparkline: first && last ? sparklineOf(statements, id, first.step, last.step) : [],
  });
}

/** The last step of a run. */
export function lastOf(statements: Statements, run: number): { step: number; loss: number } | undefined {
  const row = statements.get(
    'SELECT step, numerator, denominator FROM steps WHERE run = ? ORDER BY step DESC LIMIT 1',
    run,
  );
  return row && { step: Number(row['step']), loss: lossOf(row) };
}

/**
 * About evenly spaced finite losses, found one by one: reading all losses would take time proportional to their number.
 */
function sparklineOf(statements: Statements, run: number, first: number, last: number): number[] {
  const losses: number[] = [];
  const width = Math.max(1, (last - first) / (SPARKLINE - 1));
  for (let at = first; at <= last && losses.length < SPARKLINE;) {
    const found = lossAt(statements, run, Math.floor(at));
    if (found === undefined) break;
    if (Number.isFinite(found.loss)) losses.push(found.loss);
    at = Math.max(at + width, found.step + 1);
  }
  return losses;
}

/** The first step at or after a given one, and its loss: NaN when it is not finite. */
function lossAt(statements: Statements, run: number, step: number): { step: number; loss: number } | undefined {
  const row = statements.get(
    'SELECT step, loss FROM steps WHERE run = ? AND step >= ? ORDER BY step LIMIT 1',
    run,
    step,
  );
  return row && { step: Number(row['step']), loss: fromReal(row['loss']) };
}
