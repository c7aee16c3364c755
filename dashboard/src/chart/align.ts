import uPlot from 'uplot';
import type { Curve } from '../series/curve.ts';

/** Series of a curve, in this order. The series of the next curve follow. */
export const PARTS = ['low', 'high', 'loss', 'smoothed'] as const;

/** Index of a series in the plot. Series 0 is the horizontal axis. */
export const seriesIndex = (curve: number, part: (typeof PARTS)[number]): number =>
  1 + curve * PARTS.length + PARTS.indexOf(part);

/**
 * Aligns all curves to one horizontal axis, in uPlot's layout. A curve has `undefined` at positions without a point, and its
 * line continues there; `null` breaks the line.
 */
export function alignCurves(curves: readonly Curve[]): uPlot.AlignedData {
  if (curves.every(({ x }) => x.length === 0)) return [[], ...curves.flatMap(() => PARTS.map(() => []))];
  return uPlot.join(curves.map((curve) => [curve.x, ...PARTS.map((part) => curve[part])]));
}
