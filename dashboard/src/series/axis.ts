import type { CurvePoint } from './point.ts';

/** Horizontal axis: the step, seconds since the run began, or Unix seconds. */
export const AXES = ['step', 'relative', 'wall'] as const;
export type Axis = (typeof AXES)[number];

/** Position of a step on an axis; NaN when its time is unknown. @param began start of its run, in Unix milliseconds */
export function positionOf({ step, recorded_at: recordedAt }: CurvePoint, axis: Axis, began: number): number {
  if (axis === 'step') return step;
  const recorded = Date.parse(recordedAt ?? '');
  return (axis === 'wall' ? recorded : recorded - began) / 1000;
}

/**
 * Range of the steps between two positions of an axis; undefined when there are none.
 *
 * Times need not increase with steps: a step that was recorded again has a late time.
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
    // Extends the range by one point on each side: a thinned curve has further steps between two points.
    first = Math.min(first, points[Math.max(0, k - 1)]!.step);
    last = Math.max(last, points[Math.min(points.length - 1, k + 1)]!.step);
  });
  return first <= last ? { from: first, to: last } : undefined;
}
