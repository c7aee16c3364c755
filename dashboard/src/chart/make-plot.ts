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

/** Least length of a drag, in CSS pixels. A shorter drag is a click. */
const LEAST_DRAG = 6;

/** Milliseconds for which a click waits for a second click. */
const DOUBLE_CLICK_MS = 250;

/** Size in CSS pixels. */
export interface PlotSize {
  width: number;
  height: number;
}

/** State of a chart when it is drawn, and its handlers of gestures. */
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

/** Creates a plot. @param latest returns the state of the last render, not of the render that created the plot */
export function makePlot(
  element: HTMLElement,
  { style, size, data }: { style: PlotStyle; size: PlotSize; data: uPlot.AlignedData },
  latest: () => PlotState,
): uPlot {
  const palette = readPalette();
  const options = plotOptions(style, palette, () => latest().view);
  // uPlot reports a selection at the end of the drag. The click event that follows a drag selects no step.
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
          // Replaces uPlot's own handler, which only sets scales.
          dblclick: () => () => null,
        },
      },
      hooks: {
        setCursor: [
          (moved) => {
            const { left = -1, top = -1 } = moved.cursor;
            // Navigation by keyboard keeps its point when the pointer leaves the plot.
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
  // uPlot stores its position on the page. Content above it may have grown since.
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

/** True when a drag selects part of an axis. A selection of the whole axis means that the drag was along the other axis. */
const isPart = (length: number, whole: number): boolean => length >= LEAST_DRAG && length < whole - 1;

export function projectionOf(plot: uPlot): Projection {
  return {
    left: (x) => plot.valToPos(x, 'x'),
    top: (loss) => plot.valToPos(loss, 'y'),
    valueAt: (left) => plot.posToVal(left, 'x'),
  };
}

/** Distance of a value from the left edge of the whole chart, in CSS pixels. */
export function leftOf(plot: uPlot | undefined, x: number | undefined): number {
  if (plot === undefined || x === undefined) return 0;
  return plot.valToPos(x, 'x') + plot.bbox.left / devicePixelRatio;
}
