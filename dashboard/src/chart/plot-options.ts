import type uPlot from 'uplot';
import type { Axis } from '../series/axis.ts';
import type { CurveColour } from '../series/curve.ts';
import { PARTS, seriesIndex } from './align.ts';
import { plotAxes } from './axes.ts';
import type { Palette } from './palette.ts';
import type { View } from './view.ts';
import { rangeOf } from './y-range.ts';

/** Properties of a chart whose change requires a new plot. Other changes require only new data. */
export interface PlotStyle {
  colours: readonly CurveColour[];
  /** Text of the vertical axis. */
  label: string;
  isPanel: boolean;
  axis: Axis;
  log: boolean;
  smoothed: boolean;
  band: boolean;
}

/** Least length of a drag along each axis to zoom on both axes, in CSS pixels. */
const DIAGONAL = 60;

export function plotOptions(
  { colours, label, isPanel, axis, log, smoothed, band }: PlotStyle,
  palette: Palette,
  view: () => View,
): Omit<uPlot.Options, 'width' | 'height'> {
  const range: uPlot.Range.Function = (_plot, low, high) => {
    const shown = view().zoom;
    if (shown !== undefined) return [shown.from, shown.to];
    // No points, so no range.
    if (low === null || high === null) return [0, 1];
    return low === high ? [low - 1, high + 1] : [low, high];
  };
  return {
    legend: { show: false },
    padding: [12, 14, 0, 0],
    scales: {
      x: { time: axis === 'wall', range },
      y: {
        ...(log && { distr: 3 as const }),
        range: (_plot, low, high) => rangeOf(view().y, low, high, log),
      },
    },
    axes: plotAxes({ axis, log, label, isPanel }, palette),
    series: [
      {},
      ...colours.flatMap((colour) => curveSeries(palette.curve(colour), { smoothed, band: band && colour !== 'old' })),
    ],
    bands: band
      ? colours.map((colour, k) => ({
          series: [seriesIndex(k, 'high'), seriesIndex(k, 'low')],
          fill: transparent(palette.curve(colour), colours.length > 1 ? 0.15 : 0.28),
        }))
      : [],
    cursor: {
      // A drag shorter than DIAGONAL along an axis zooms only on the axis along which it is longer.
      drag: { x: true, y: true, uni: DIAGONAL, setScale: false },
      // The points of the tooltip are drawn by drawHover.
      points: { show: false },
      y: false,
    },
  };
}

/** Series of the parts of a curve, in the order of PARTS. */
function curveSeries(colour: string, { smoothed, band }: { smoothed: boolean; band: boolean }): uPlot.Series[] {
  const parts: Record<(typeof PARTS)[number], uPlot.Series> = {
    low: { show: band, width: 0, points: { show: false } },
    high: { show: band, width: 0, points: { show: false } },
    loss: {
      stroke: smoothed ? transparent(colour, 0.3) : colour,
      width: smoothed ? 1.25 : 1.75,
      points: { size: 5, fill: colour },
    },
    smoothed: { show: smoothed, stroke: colour, width: 2.25, points: { show: false } },
  };
  return PARTS.map((part) => ({ spanGaps: false, ...parts[part] }));
}

/** Adds an alpha channel to a colour of the form #rrggbb. @param alpha in [0, 1] */
function transparent(colour: string, alpha: number): string {
  return (
    colour +
    Math.round(alpha * 255)
      .toString(16)
      .padStart(2, '0')
  );
}
