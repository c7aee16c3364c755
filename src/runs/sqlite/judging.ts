import { ORDINARY_RATIO, ORDINARY_WINDOW, SPIKE_RULE } from '../../loss/spike.ts';
import { judged, judgedInOrder } from '../judging.ts';
import type { CurvePoint } from '../record.ts';
import { STEP_COLUMNS, toStep } from '../rows.ts';
import type { Row } from '../rows.ts';
import type { Statements } from './statements.ts';

/** SQL for the least of the last ORDINARY_WINDOW losses before a step. Reading it is faster than returning 64 losses. */
const leastBefore = (run: string, step: string): string => `(SELECT min(loss) FROM (
    SELECT loss FROM steps before WHERE before.run = ${run} AND before.step < ${step} AND loss IS NOT NULL
    ORDER BY before.step DESC LIMIT ${ORDINARY_WINDOW})) AS least_before`;

/** Columns of a step that Judge.one() reads: the columns of `toStep`, and the least loss before the step. */
export const JUDGED_COLUMNS = `${STEP_COLUMNS}, ${leastBefore('steps.run', 'steps.step')}`;

const LEAST_BEFORE = `SELECT ${leastBefore('?', '?')}`;

/** Finite losses of the last steps before a step. */
interface LossesBefore {
  step: number;
  losses: readonly number[];
}

const NOTHING: LossesBefore = { step: 0, losses: [] };

/** Compares steps of a run with the other steps and ranks, in one snapshot of the database. */
export class Judge {
  readonly #statements: Statements;
  readonly #run: number;
  #known = NOTHING;
  /** Ranks of a complete step. */
  readonly expectedRanks: number;

  /** @param run id of the run */
  constructor(statements: Statements, run: number) {
    this.#statements = statements;
    this.#run = run;
    this.expectedRanks = ranksOf(statements, run) ?? 0;
  }

  /** Judges all steps of a range, in their order. @param rows with STEP_COLUMNS */
  consecutive(rows: readonly Row[]): CurvePoint[] {
    const points = rows.map(toStep);
    if (points.length === 0) return [];
    return judgedInOrder(points, this.#lossesBefore(points[0]!.step), this.expectedRanks);
  }

  /** Judges a single step. @param row with JUDGED_COLUMNS */
  one(row: Row): CurvePoint {
    const point = toStep(row);
    // Reads the losses before the step only when its loss can be a spike.
    const before = mayBeSpike(point.loss, row['least_before']) ? this.#lossesBefore(point.step) : [];
    return judged(point, before, this.expectedRanks);
  }

  /** Finite losses of the steps before a given one, in their order. Reuses the losses read by the previous call. */
  #lossesBefore(step: number): number[] {
    const known = this.#known.step <= step ? this.#known : NOTHING;
    const read = lossesBefore(this.#statements, this.#run, step, known.step);
    const losses = [...known.losses, ...read].slice(-SPIKE_RULE.window);
    this.#known = { step, losses };
    return losses;
  }
}

/** Finite losses of the last steps before a step, in their order. @param run id of the run @param from first step to read */
function lossesBefore(statements: Statements, run: number, step: number, from = 0): number[] {
  const rows = statements.arrays(
    'SELECT loss FROM steps WHERE run = ? AND step >= ? AND step < ? AND loss IS NOT NULL ORDER BY step DESC LIMIT ?',
    run,
    from,
    step,
    SPIKE_RULE.window,
  ) as [number][];
  return rows.map(([loss]) => loss).toReversed();
}

/** False only for a loss that cannot be a spike. @param leastBefore least of the last ORDINARY_WINDOW losses before it */
function mayBeSpike(loss: number, leastBefore: Row[string] | undefined): boolean {
  if (!Number.isFinite(loss) || typeof leastBefore !== 'number') return false;
  return leastBefore < (loss > 0 ? loss / ORDINARY_RATIO : loss);
}

/** Finite losses that a loss is compared with; empty when it cannot be a spike. */
export function comparedLosses(statements: Statements, run: number, step: number, loss: number): number[] {
  const row = statements.get(LEAST_BEFORE, run, step);
  return mayBeSpike(loss, row!['least_before']) ? lossesBefore(statements, run, step) : [];
}

/** Number of ranks of a complete step. @param run id of the run */
function ranksOf(statements: Statements, run: number): number | undefined {
  const row = statements.get('SELECT coalesce(expected_ranks, ranks) AS ranks FROM runs WHERE id = ?', run);
  return row && Number(row['ranks']);
}
