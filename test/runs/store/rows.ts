/** Rows of the tables, for histories that bypass the rules of a store. */
import type { Row } from '../../../src/runs/rows.ts';

const NOTHING = new Uint8Array(0);

/** The run `r`, which has the id 1. */
export const runRow = ({ steps, nonFinite = 0 }: { steps: number; nonFinite?: number }): Row => ({
  ...{ id: 1, name: 'r', labels: '{}', expected_ranks: null, created_at: 0, updated_at: 0 },
  ...{ batches: 0, steps, non_finite_steps: nonFinite, ranks: 1, series: 0 },
  ...{ state: null, said_at: null, notes: '', tags: '[]', archived: 0, owner: null },
});

/** An attempt of the run. */
export const attemptRow = (attempt: number, firstStep: number): Row => ({
  ...{ run: 1, attempt, first_step: firstStep, live: 1 },
});

/** A step of the run, with one rank. @param loss NaN for a non-finite loss */
export function stepRow({
  step,
  attempt = 0,
  loss,
  nonFinite,
}: {
  step: number;
  attempt?: number;
  loss: number;
  nonFinite: boolean;
}): Row {
  return {
    ...{ run: 1, step, attempt, numerators: NOTHING, denominators: NOTHING },
    ...{ numerator: Number.isNaN(loss) ? null : loss, denominator: 1, loss: Number.isFinite(loss) ? loss : null },
    ...{ ranks: 1, least: null, greatest: null, bad_batches: Number(nonFinite), non_finite: Number(nonFinite) },
    ...{ causes: '[]', summary: null, summary_rank: null, summary_micro_batch: null, recorded_at: 0 },
    sequence: step + 1,
  };
}
