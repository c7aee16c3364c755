/** Losses that a loss is compared with, to decide if it is a spike. */
import { ORDINARY_RATIO, ORDINARY_WINDOW, SPIKE_RULE } from '../../loss/spike.ts';
import type { Value } from '../rows.ts';

/** Names of columns of a statement. */
interface Step {
  run: string;
  step: string;
}

const select = (columns: string, { run, step }: Step, limit: number): string =>
  `SELECT ${columns} FROM lossmeter.steps b WHERE b.run = ${run} AND b.step < ${step} AND b.loss IS NOT NULL
    ORDER BY b.step DESC LIMIT ${limit}`;

/** SQL expression: finite losses of the last steps before a step, the newest first. */
export const lossesBefore = (step: Step): string => `ARRAY(${select('b.loss', step, SPIKE_RULE.window)})`;

/** SQL expression: `lossesBefore`, or an empty array when the loss cannot be a spike. Reading one minimum is faster. */
export const comparedLosses = (of: Step & { loss: string }): string => `CASE
    WHEN ${of.loss} IS NULL THEN '{}'
    WHEN (SELECT min(before.loss) FROM (${select('b.loss', of, ORDINARY_WINDOW)}) before)
      >= ${of.loss} / CASE WHEN ${of.loss} > 0 THEN ${ORDINARY_RATIO} ELSE 1 END
    THEN '{}' ELSE ${lossesBefore(of)} END`;

/** Result of either expression, in the order of the steps. */
export const inOrder = (losses: Value | undefined): number[] => (losses as unknown as number[]).toReversed();
