import { positionOf } from './axis.ts';
import type { Axis } from './axis.ts';
import { placeMarkers } from './markers.ts';
import type { Marker } from './markers.ts';
import type { CurvePoint } from './point.ts';
import { smooth } from './smoothing.ts';

/** The number of a run's colour; `old` for what a resumed run left behind. */
export type CurveColour = number | 'old';

/** Origin of a curve. */
export interface CurveOrigin {
  run: string;
  /** Its name in tooltips: the run's, or also that of its attempt. */
  name: string;
  colour: CurveColour;
  /** When the run began, in Unix milliseconds. */
  began: number;
  /** True when it is that of the whole run, and not only what events told. */
  isLoaded: boolean;
}

/** A run as it is drawn: all arrays have one element a point, in the order of the axis. */
export interface Curve extends CurveOrigin {
  points: CurvePoint[];
  x: number[];
  /** null: the line has a gap there. */
  loss: (number | null)[];
  smoothed: (number | null)[];
  /** The least and the greatest loss over ranks. */
  low: (number | null)[];
  high: (number | null)[];
  markers: Marker[];
}

export interface CurveOptions {
  axis: Axis;
  smoothing: number;
  /** True on a logarithmic scale, which cannot show values that are not positive. */
  log: boolean;
}

export function curveOf(
  origin: CurveOrigin,
  steps: readonly CurvePoint[],
  { axis, smoothing, log }: CurveOptions,
): Curve {
  const placed = steps
    .map((point) => ({ point, x: positionOf(point, axis, origin.began) }))
    .filter(({ x }) => !Number.isNaN(x));
  if (axis !== 'step') placed.sort((a, b) => a.x - b.x);
  const points = placed.map(({ point }) => point);
  const drawable = (value: number | null | undefined): number | null =>
    value !== undefined && value !== null && Number.isFinite(value) && (!log || value > 0) ? value : null;
  const smoothed = smooth(
    points.map(({ loss }) => loss),
    smoothing,
  );
  return {
    ...origin,
    points,
    x: placed.map(({ x }) => x),
    loss: points.map(({ loss }) => drawable(loss)),
    smoothed: smoothed.map(drawable),
    low: points.map((point) => drawable(point.rank_losses?.min)),
    high: points.map((point) => drawable(point.rank_losses?.max)),
    markers: placeMarkers(points),
  };
}

/** The index of the point that stands nearest to x, or −1 without points. */
export function nearestIndex(x: readonly number[], value: number): number {
  let [low, high] = [0, x.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x[middle]! < value) low = middle + 1;
    else high = middle;
  }
  const isLeftNearer = low > 0 && value - x[low - 1]! < x[low]! - value;
  return isLeftNearer ? low - 1 : high;
}
