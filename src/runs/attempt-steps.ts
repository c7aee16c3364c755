/** Steps of one attempt, including steps that a later attempt superseded. */
import { readScalar } from './scalars.ts';
import type { Attempt, ScalarQuery, ScalarRow, ScalarRows } from './scalars.ts';
import type { CurvePoint, StepRange } from './record.ts';
import { lossOf, toStep } from './rows.ts';
import type { Row } from './rows.ts';

/** Points per read. */
const POINTS_AT_ONCE = 500;

/** Query for points of an attempt. */
export interface AttemptQuery extends ScalarQuery {
  attempt: number;
}

/** Some points of an attempt. */
export interface AttemptPage {
  points: CurvePoint[];
  /** First step after the page; undefined at the end of the range. */
  next: number | undefined;
}

/** Losses and steps of an attempt in a database. The loss of a step counts as the number of a single rank. */
export interface AttemptRows extends ScalarRows {
  /** Rows of steps, with the columns of STEP_COLUMNS. @param steps ascending */
  points(steps: readonly number[]): Promise<Row[]>;
}

/** The loss of a step as the number of a single rank. @param row with `step`, `numerator` and `denominator` */
export const toScalarRow = (row: Row): ScalarRow => [Number(row['step']), 0, lossOf(row)];

/** Range in which steps of the curve can belong to an attempt; empty for an attempt that is not live. */
export function heldRange(live: readonly Attempt[], attempt: number): StepRange {
  const at = live.findIndex((one) => one.attempt === attempt);
  if (at === -1) return { from: 1, to: 0 };
  return { from: live[at]!.firstStep, to: (live[at + 1]?.firstStep ?? Infinity) - 1 };
}

/**
 * Steps of an attempt, each compared with the steps of the same attempt before it.
 * @param expectedRanks ranks of a complete step
 */
export async function readAttempt(rows: AttemptRows, query: AttemptQuery, expectedRanks: number): Promise<AttemptPage> {
  const { points, next } = await readScalar(rows, query);
  const spikes = new Map(points.map(({ step, spike }) => [step, spike]));
  const steps = [...spikes.keys()];
  const found: CurvePoint[] = [];
  for (let at = 0; at < steps.length; at += POINTS_AT_ONCE) {
    for (const row of await rows.points(steps.slice(at, at + POINTS_AT_ONCE))) {
      const point = toStep(row);
      found.push({ ...point, complete: point.ranks >= expectedRanks, spike: spikes.get(point.step)! });
    }
  }
  return { points: found, next };
}
