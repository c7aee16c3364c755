import { nearestIndex } from '../series/curve.ts';
import type { Curve } from '../series/curve.ts';
import type { Marker } from '../series/markers.ts';

/** Largest distance in pixels at which the pointer selects a marker, and a point of a curve. */
const MARKER_REACH = 9;
const POINT_REACH = 60;

/** Point of one of the curves. */
export interface PointAt {
  curve: number;
  index: number;
}

export interface Hover {
  /** Points under the pointer, at most one of each curve. */
  points: PointAt[];
  /** Point among these that a click or Enter selects. */
  focus: PointAt;
}

/** Conversion between values and CSS pixels of the plot. */
export interface Projection {
  left(x: number): number;
  top(loss: number): number;
  valueAt(left: number): number;
}

/** Finds the target of the pointer: a near marker, or else the nearest point of the nearest curve. */
export function hoverAt(
  curves: readonly Curve[],
  pointer: { left: number; top: number },
  projection: Projection,
): Hover | undefined {
  const marked = nearestMarker(curves, pointer, projection);
  const x = marked === undefined ? projection.valueAt(pointer.left) : curves[marked.curve]!.x[marked.index]!;
  const points = pointsAt(curves, x, projection, marked);
  const distance = ({ curve, index }: PointAt): number => {
    const loss = curves[curve]!.loss[index] ?? null;
    return loss === null ? Infinity : Math.abs(projection.top(loss) - pointer.top);
  };
  const [first, ...others] = points;
  if (first === undefined) return undefined;
  const nearest = others.reduce((best, point) => (distance(point) < distance(best) ? point : best), first);
  return { points, focus: marked ?? nearest };
}

/** Finds the points to show at a point of one curve, for navigation by keyboard. */
export function hoverOn(curves: readonly Curve[], focus: PointAt, projection: Projection): Hover | undefined {
  const x = curves[focus.curve]?.x[focus.index];
  return x === undefined ? undefined : { points: pointsAt(curves, x, projection, focus), focus };
}

function pointsAt(curves: readonly Curve[], x: number, projection: Projection, fixed: PointAt | undefined): PointAt[] {
  return curves.flatMap(({ x: xs }, curve) => {
    if (fixed?.curve === curve) return [fixed];
    const index = nearestIndex(xs, x);
    if (index === -1 || Math.abs(projection.left(xs[index]!) - projection.left(x)) > POINT_REACH) return [];
    return [{ curve, index }];
  });
}

function nearestMarker(
  curves: readonly Curve[],
  { left, top }: { left: number; top: number },
  projection: Projection,
): PointAt | undefined {
  let [nearest, least]: [PointAt | undefined, number] = [undefined, Infinity];
  curves.forEach(({ x, markers }, curve) => {
    for (const { index, loss } of markers) {
      const across = Math.abs(projection.left(x[index]!) - left);
      if (across > MARKER_REACH) continue;
      const distance = Math.hypot(across, loss === null ? 0 : projection.top(loss) - top);
      if (distance < least) [nearest, least] = [{ curve, index }, distance];
    }
  });
  return nearest;
}

/** Finds the next marker of a curve in a direction, among the points from the first index to the last. */
export function nextMarker(
  { markers }: Curve,
  index: number,
  direction: 1 | -1,
  [first, last]: readonly [number, number],
): Marker | undefined {
  const inSight = markers.filter((marker) => marker.index >= first && marker.index <= last);
  return direction === 1
    ? inSight.find((marker) => marker.index > index)
    : inSight.findLast((marker) => marker.index < index);
}
