/** Steps compared with the steps before them and with the ranks of their run. */
import { findSpikes, isSpike } from '../loss/spike.ts';
import type { CurvePoint, StepPoint } from './record.ts';

/**
 * Judges a step.
 * @param before finite losses before it, in the order of their steps
 * @param expectedRanks ranks of a complete step
 */
export function judged(point: StepPoint, before: readonly number[], expectedRanks: number): CurvePoint {
  // A non-finite loss is never a spike.
  const spike = Number.isFinite(point.loss) && isSpike(point.loss, before);
  return { ...point, complete: point.ranks >= expectedRanks, spike };
}

/** Judges consecutive steps. @param before finite losses before the first step, in the order of their steps */
export function judgedInOrder(
  points: readonly StepPoint[],
  before: readonly number[],
  expectedRanks: number,
): CurvePoint[] {
  const spikes = findSpikes([...before, ...points.map(({ loss }) => loss)]).slice(before.length);
  return points.map((point, k) => ({
    ...point,
    complete: point.ranks >= expectedRanks,
    spike: spikes[k]!,
  }));
}
