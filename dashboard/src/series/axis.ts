import type { CurvePoint } from './point.ts';

/** Horizontal axis: the step, seconds since the run began, or Unix seconds. */
export const AXES = ['step', 'relative', 'wall'] as const;
export type Axis = (typeof AXES)[number];

/** Where a step stands on an axis; NaN where its time is not known. @param began when its run did, in Unix milliseconds */
export function positionOf({ step, recorded_at: recordedAt }: CurvePoint, axis: Axis, began: number): number {
  if (axis === 'step') return step;
  const recorded = Date.parse(recordedAt ?? '');
  return (axis === 'wall' ? recorded : recorded - began) / 1000;
}

/**
 * The steps between two places of an axis, or undefined when there are none.
 *
 * Times need not grow with steps: one that was recorded again is late.
 */
export function stepsWithin(
  points: readonly CurvePoint[],
  axis: Axis,
  began: number,
  { from, to }: { from: number; to: number },
): { from: number; to: number } | undefined {
  if (axis === 'step') return { from: Math.floor(from), to: Math.ceil(to) };
  let [first, last] = [Infinity, -Infinity];
  points.forEach((point, k) => {
    const x = positionOf(point, axis, began);
    if (x < from || x > to) return;
    // One further on either side: between two points that are kept lie many that are not.
    first = Math.min(first, points[Math.max(0, k - 1)]!.step);
    last = Math.max(last, points[Math.min(points.length - 1, k + 1)]!.step);
  });
  return first <= last ? { from: first, to: last } : undefined;
}
