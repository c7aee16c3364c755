import uPlot from 'uplot';
import type { Curve } from '../series/curve.ts';
import { logRange } from './ticks.ts';
import type { Zoom } from './zoom.ts';

/** Share of the drawn values below the lower percentile, and above the upper percentile, of the clipped range. */
const CLIPPED_SHARE = 0.05;

/** Margin on each side, as a share of the range between the percentiles. */
const MARGIN = 0.1;

/** Vertical range without outliers. */
export interface ClippedRange {
  range: Zoom;
  /** Drawn points outside it. */
  outside: number;
  /** All drawn points. */
  points: number;
}

/**
 * Range from the 5th to the 95th percentile of the visible finite values, with a margin; undefined when no value is outside,
 * or when both percentiles are equal.
 */
export function clippedRange(curves: readonly Curve[], zoom: Zoom | undefined, log: boolean): ClippedRange | undefined {
  const isInSight = (x: number): boolean => zoom === undefined || (x >= zoom.from && x <= zoom.to);
  const values = curves
    .flatMap(({ x, loss }) => loss.filter((value, k): value is number => value !== null && isInSight(x[k]!)))
    .toSorted((a, b) => a - b);
  if (values.length === 0) return undefined;
  const scale = log ? Math.log : Number;
  const at = (share: number): number => scale(values[Math.round(share * (values.length - 1))]!);
  const [low, high] = [at(CLIPPED_SHARE), at(1 - CLIPPED_SHARE)];
  const margin = MARGIN * (high - low);
  const back = log ? Math.exp : Number;
  const range = { from: back(low - margin), to: back(high + margin) };
  const outside = values.filter((value) => value < range.from || value > range.to).length;
  return outside === 0 || low === high ? undefined : { range, outside, points: values.length };
}

/** Vertical range of a chart. @param low least visible value, null without values */
export function rangeOf(
  shown: Zoom | undefined,
  low: number | null,
  high: number | null,
  log: boolean,
): uPlot.Range.MinMax {
  if (shown !== undefined) return [shown.from, shown.to];
  // uPlot's own logarithmic range ends at powers of ten. A loss would fill a tenth of it.
  if (log) return low === null || high === null ? [0.1, 10] : logRange(low, high);
  return low === null || high === null ? [0, 1] : uPlot.rangeNum(low, high, 0.1, true);
}
