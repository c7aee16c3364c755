import uPlot from 'uplot';
import type { Curve } from '../series/curve.ts';
import { drawMarkers } from './draw-markers.ts';
import { drawHover, drawSelection } from './draw-points.ts';
import { hoverAt } from './hover.ts';
import type { Hover, PointAt, Projection } from './hover.ts';
import { readPalette } from './palette.ts';
import { panFrom } from './pan.ts';
import type { Sight } from './pan.ts';
import { plotOptions } from './plot-options.ts';
import type { PlotStyle } from './plot-options.ts';
import type { View } from './view.ts';

/** Shorter drags are clicks, in CSS pixels. */
const LEAST_DRAG = 6;

/** Milliseconds after which a click is no longer the first of two. */
const DOUBLE_CLICK_MS = 250;

/** In CSS pixels. */
export interface PlotSize {
  width: number;
  height: number;
}

/** State of a chart as it is drawn, and its answers to gestures. */
export interface PlotState {
  curves: readonly Curve[];
  hover: Hover | undefined;
  selected: PointAt | undefined;
  view: View;
  setHover: (hover: Hover | undefined) => void;
  onView: (changed: Partial<View>) => void;
  onPan: (sight: Sight) => void;
  onSelect: (point: PointAt) => void;
}

/** @param latest the state of the last drawing, and not of the one in which the plot was made */
export function makePlot(
  element: HTMLElement,
  { style, size, data }: { style: PlotStyle; size: PlotSize; data: uPlot.AlignedData },
  latest: () => PlotState,
): uPlot {
  const palette = readPalette();
  const options = plotOptions(style, palette, () => latest().view);
  // uPlot draws a selection before it says that there is one; the click that ends it selects no step.
  let hasDragged = false;
  const plot = new uPlot(
    {
      ...options,
      ...size,
      cursor: {
        ...options.cursor,
        bind: {
          mousedown: (plot, _target, handler) => (event) => {
            if (!event.shiftKey) return handler(event);
            hasDragged = true;
            panFrom(plot, event, style.log, (sight) => latest().onPan(sight));
            return null;
          },
          // Its own double click only sets scales.
          dblclick: () => () => null,
        },
      },
      hooks: {
        setCursor: [
          (moved) => {
            const { left = -1, top = -1 } = moved.cursor;
            // Whoever goes by keyboard has a place without a pointer.
            if (left < 0 && document.activeElement === element) return;
            const { curves, setHover } = latest();
            setHover(left < 0 ? undefined : hoverAt(curves, { left, top }, projectionOf(moved)));
          },
        ],
        setSelect: [
          (dragged) => {
            const { left, top, width, height } = dragged.select;
            hasDragged = width > 0 && height > 0;
            const across = isPart(width, dragged.over.clientWidth);
            const along = isPart(height, dragged.over.clientHeight);
            if (!hasDragged || (!across && !along)) return;
            dragged.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            const at = (pixel: number, scale: 'x' | 'y'): number => dragged.posToVal(pixel, scale);
            latest().onView({
              ...(across && { zoom: { from: at(left, 'x'), to: at(left + width, 'x') } }),
              ...(along && { y: { from: at(top + height, 'y'), to: at(top, 'y') } }),
            });
          },
        ],
        draw: [
          (drawn) => {
            const { curves, selected, hover } = latest();
            if (hover !== undefined) drawHover(drawn, curves, hover, palette);
            for (const curve of curves) if (curve.colour !== 'old') drawMarkers(drawn, curve, palette);
            if (selected !== undefined) drawSelection(drawn, curves[selected.curve], selected.index, palette);
          },
        ],
      },
    },
    data,
    element,
  );
  // What stands above it may have grown.
  plot.over.addEventListener('mouseenter', () => plot.syncRect());
  let click = 0;
  plot.over.addEventListener('click', () => {
    const { hover } = latest();
    if (!hasDragged && hover !== undefined) {
      clearTimeout(click);
      click = window.setTimeout(() => latest().onSelect(hover.focus), DOUBLE_CLICK_MS);
    }
    hasDragged = false;
  });
  plot.over.addEventListener('dblclick', () => {
    clearTimeout(click);
    latest().onView({ zoom: undefined, y: undefined });
  });
  return plot;
}

/** True for a selection of some length that is not the whole of an axis: along that one nothing was selected. */
const isPart = (length: number, whole: number): boolean => length >= LEAST_DRAG && length < whole - 1;

export function projectionOf(plot: uPlot): Projection {
  return {
    left: (x) => plot.valToPos(x, 'x'),
    top: (loss) => plot.valToPos(loss, 'y'),
    valueAt: (left) => plot.posToVal(left, 'x'),
  };
}

/** Where a value is, in CSS pixels of the whole chart. */
export function leftOf(plot: uPlot | undefined, x: number | undefined): number {
  if (plot === undefined || x === undefined) return 0;
  return plot.valToPos(x, 'x') + plot.bbox.left / devicePixelRatio;
}
