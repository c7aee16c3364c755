import uPlot from 'uplot';
import type { Curve } from '../series/curve.ts';

/** Series of each curve, in this order: all of a curve before those of the next. */
export const PARTS = ['low', 'high', 'loss', 'smoothed'] as const;

/** The series of a part in the plot, whose first is the horizontal axis. */
export const seriesIndex = (curve: number, part: (typeof PARTS)[number]): number =>
  1 + curve * PARTS.length + PARTS.indexOf(part);

/**
 * All curves over one horizontal axis, as uPlot wants them. Where a curve has no point it has `undefined`, over which
 * its line goes on; `null` breaks the line.
 */
export function alignCurves(curves: readonly Curve[]): uPlot.AlignedData {
  if (curves.every(({ x }) => x.length === 0)) return [[], ...curves.flatMap(() => PARTS.map(() => []))];
  return uPlot.join(curves.map((curve) => [curve.x, ...PARTS.map((part) => curve[part])]));
}
