import { positionOf } from './axis.ts';
import type { Axis } from './axis.ts';
import { placeMarkers } from './markers.ts';
import type { Marker } from './markers.ts';
import type { CurvePoint } from './point.ts';
import { smooth } from './smoothing.ts';

/** Index of a run's colour; `old` for a superseded attempt. */
export type CurveColour = number | 'old';

/** Origin of a curve. */
export interface CurveOrigin {
  run: string;
  /** Name in tooltips: the run, or the run and its attempt. */
  name: string;
  colour: CurveColour;
  /** Start of the run, in Unix milliseconds. */
  began: number;
  /** True when the whole run is loaded, not only the points from events. */
  isLoaded: boolean;
}

/** Curve of a run, ready to draw. All arrays except `markers` have one element per point, in the order of the axis. */
export interface Curve extends CurveOrigin {
  points: CurvePoint[];
  x: number[];
  /** null where the line has a gap. */
  loss: (number | null)[];
  smoothed: (number | null)[];
  /** Least and greatest loss over the ranks. */
  low: (number | null)[];
  high: (number | null)[];
  markers: Marker[];
}

export interface CurveOptions {
  axis: Axis;
  smoothing: number;
  /** True for a logarithmic scale, which shows positive values only. */
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

/** Finds the index of the point nearest to a position on the axis; −1 without points. */
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
