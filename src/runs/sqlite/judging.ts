import { ORDINARY_RATIO, ORDINARY_WINDOW, SPIKE_RULE } from '../../loss/spike.ts';
import { judged, judgedInOrder } from '../judging.ts';
import type { CurvePoint, StepPoint } from '../record.ts';
import { toStep } from '../rows.ts';
import type { Row } from '../rows.ts';
import type { Statements } from './statements.ts';

/** Finite losses of the last steps before a step. */
interface LossesBefore {
  step: number;
  losses: readonly number[];
}

const NOTHING: LossesBefore = { step: 0, losses: [] };

/** Compares steps of a run with the other steps and ranks, in one state of the database. */
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

  /** Judges all steps of a range, in their order. */
  consecutive(rows: readonly Row[]): CurvePoint[] {
    const points = rows.map(toStep);
    if (points.length === 0) return [];
    return judgedInOrder(points, this.#lossesBefore(points[0]!.step), this.expectedRanks);
  }

  /** Judges a single step. */
  one(row: Row): CurvePoint {
    const point = toStep(row);
    // A loss that can be no spike is compared with none: no losses before it are read.
    const before = this.#mayBeSpike(point) ? this.#lossesBefore(point.step) : [];
    return judged(point, before, this.expectedRanks);
  }

  /** False for most losses that are no spikes. */
  #mayBeSpike({ step, loss }: StepPoint): boolean {
    if (!Number.isFinite(loss)) return false;
    const [[least]] = this.#statements.arrays(
      `SELECT min(loss) FROM (SELECT loss FROM steps
        WHERE run = ? AND step < ? AND loss IS NOT NULL ORDER BY step DESC LIMIT ?)`,
      ...[this.#run, step, ORDINARY_WINDOW],
    ) as [[least: number | null]];
    return least !== null && least < (loss > 0 ? loss / ORDINARY_RATIO : loss);
  }

  /** Finite losses of the steps before a given one, in their order. Reuses the losses read by the previous call. */
  #lossesBefore(step: number): number[] {
    const known = this.#known.step <= step ? this.#known : NOTHING;
    const rows = this.#statements.arrays(
      'SELECT loss FROM steps WHERE run = ? AND step >= ? AND step < ? AND loss IS NOT NULL ORDER BY step DESC LIMIT ?',
      ...[this.#run, known.step, step, SPIKE_RULE.window],
    ) as [number][];
    const losses = [...known.losses, ...rows.map(([loss]) => loss).toReversed()].slice(-SPIKE_RULE.window);
    this.#known = { step, losses };
    return losses;
  }
}

/** Number of ranks of a complete step. @param run id of the run */
function ranksOf(statements: Statements, run: number): number | undefined {
  const row = statements.get('SELECT coalesce(expected_ranks, ranks) AS ranks FROM runs WHERE id = ?', run);
  return row && Number(row['ranks']);
}
