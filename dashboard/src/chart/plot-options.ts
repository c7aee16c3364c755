import type uPlot from 'uplot';
import type { Axis } from '../series/axis.ts';
import { PARTS, seriesIndex } from './align.ts';
import { plotAxes } from './axes.ts';
import type { Palette } from './palette.ts';
import { logRange } from './ticks.ts';

/** Properties of a chart whose change needs a new plot; all others need new data alone. */
export interface PlotStyle {
  curves: number;
  axis: Axis;
  log: boolean;
  smoothed: boolean;
  band: boolean;
}

export function plotOptions(
  { curves, axis, log, smoothed, band }: PlotStyle,
  palette: Palette,
  zoom: () => { from: number; to: number } | undefined,
): Omit<uPlot.Options, 'width' | 'height'> {
  const range: uPlot.Range.Function = (_plot, low, high) => {
    const shown = zoom();
    if (shown !== undefined) return [shown.from, shown.to];
    // Without points there is nothing to range over.
    if (low === null || high === null) return [0, 1];
    return low === high ? [low - 1, high + 1] : [low, high];
  };
  const numbers = Array.from({ length: curves }, (_, k) => k);
  return {
    legend: { show: false },
    padding: [12, 14, 0, 0],
    scales: {
      x: { time: axis === 'wall', range },
      y: log ? LOG_SCALE : {},
    },
    axes: plotAxes(axis, log, palette),
    series: [{}, ...numbers.flatMap((k) => curveSeries(palette.curves[k]!, { smoothed, band }))],
    bands: band
      ? numbers.map((k) => ({
          series: [seriesIndex(k, 'high'), seriesIndex(k, 'low')],
          fill: transparent(palette.curves[k]!, curves > 1 ? 0.15 : 0.28),
        }))
      : [],
    cursor: {
      drag: { x: true, y: false, setScale: false },
      // The tooltip shows its points by itself.
      points: { show: false },
      y: false,
    },
  };
}

const LOG_SCALE: uPlot.Scale = {
  distr: 3,
  // uPlot's own range goes from one power of ten to another, of which a loss would take a tenth.
  range: (_plot, low, high) => (low === null || high === null ? [0.1, 10] : logRange(low, high)),
};

/** Each part of a curve, in the order of PARTS. */
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

/** A colour of the form #rrggbb, seen through. */
function transparent(colour: string, alpha: number): string {
  return (
    colour +
    Math.round(alpha * 255)
      .toString(16)
      .padStart(2, '0')
  );
}
