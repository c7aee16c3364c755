import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import type { Axis } from '../series/axis.ts';
import { nearestIndex } from '../series/curve.ts';
import type { Curve } from '../series/curve.ts';
import { useIsDark } from '../ui/theme.ts';
import { alignCurves } from './align.ts';
import { describeCurve, describePoint } from './describe.ts';
import { drawMarkers } from './draw-markers.ts';
import { drawHover, drawSelection } from './draw-points.ts';
import { hoverAt, hoverOn } from './hover.ts';
import type { Hover, PointAt, Projection } from './hover.ts';
import { actionOf } from './keyboard.ts';
import { readPalette } from './palette.ts';
import { plotOptions } from './plot-options.ts';
import { Tooltip } from './tooltip.tsx';
import { zoomAround } from './zoom.ts';
import type { Zoom } from './zoom.ts';
import { ZoomButtons } from './zoom-buttons.tsx';

interface Properties {
  curves: readonly Curve[];
  /** True where each curve is that of the whole run. */
  loaded: readonly boolean[];
  /** When each run began, in Unix milliseconds. */
  began: readonly number[];
  axis: Axis;
  log: boolean;
  smoothed: boolean;
  band: boolean;
  zoom: Zoom | undefined;
  selected: PointAt | undefined;
  onZoom: (zoom: Zoom | undefined) => void;
  onSelect: (point: PointAt) => void;
}

/** Loss curves, to be looked at with a pointer or by keyboard. */
export function LossChart(properties: Properties) {
  const { curves, loaded, began, axis, log, smoothed, band, zoom, selected, onZoom, onSelect } = properties;
  const [hover, setHover] = useState<Hover>();
  const isDark = useIsDark();
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  // What uPlot calls back sees the properties of the last drawing, and not of the one in which it was made.
  const latest = useRef({ ...properties, hover });
  latest.current = { ...properties, hover };
  const data = useMemo(() => alignCurves(curves), [curves]);
  const description = useMemo(
    () => curves.map((curve, k) => describeCurve(curve, loaded[k]!)).join(' '),
    [curves, loaded.join()],
  );
  const names = JSON.stringify(curves.map(({ run }) => run));

  useEffect(() => {
    const element = box.current!;
    const palette = readPalette();
    const style = { curves: curves.length, axis, log, smoothed, band };
    // uPlot draws a selection before it says that there is one; the click that ends it selects no step.
    let hasDragged = false;
    const created = new uPlot(
      {
        ...plotOptions(style, palette, () => latest.current.zoom),
        ...sizeOf(element),
        hooks: {
          setCursor: [
            (moved) => {
              const { left = -1, top = -1 } = moved.cursor;
              // Whoever goes by keyboard has a place without a pointer.
              if (left < 0 && document.activeElement === element) return;
              setHover(left < 0 ? undefined : hoverAt(latest.current.curves, { left, top }, projectionOf(moved)));
            },
          ],
          setSelect: [
            (dragged) => {
              const { left, width } = dragged.select;
              hasDragged = width > 0;
              if (width < 6) return;
              dragged.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
              latest.current.onZoom({ from: dragged.posToVal(left, 'x'), to: dragged.posToVal(left + width, 'x') });
            },
          ],
          draw: [
            (drawn) => {
              const { curves, selected, hover } = latest.current;
              if (hover !== undefined) drawHover(drawn, curves, hover, palette);
              for (const curve of curves) drawMarkers(drawn, curve, palette);
              if (selected !== undefined) drawSelection(drawn, curves[selected.curve], selected.index, palette);
            },
          ],
        },
      },
      data,
      element,
    );
    created.over.addEventListener('click', () => {
      if (!hasDragged && latest.current.hover !== undefined) latest.current.onSelect(latest.current.hover.focus);
      hasDragged = false;
    });
    created.over.addEventListener('dblclick', () => latest.current.onZoom(undefined));
    const observer = new ResizeObserver(() => created.setSize(sizeOf(element)));
    observer.observe(element);
    plot.current = created;
    return () => {
      observer.disconnect();
      created.destroy();
      plot.current = undefined;
    };
  }, [names, axis, log, smoothed, band, isDark]);

  useEffect(() => plot.current?.setData(data), [data, zoom?.from, zoom?.to]);
  useEffect(() => plot.current?.redraw(false), [hover, selected?.curve, selected?.index]);

  const focus = hover?.focus ?? selected ?? { curve: 0, index: (curves[0]?.x.length ?? 1) - 1 };
  const focused = curves[focus.curve]?.points[focus.index];

  const zoomBy = (factor: number): void => {
    const { min: from, max: to } = plot.current?.scales['x'] ?? {};
    const xs = curves[focus.curve]?.x ?? [];
    const x = xs[focus.index];
    if (x !== undefined && from !== undefined && to !== undefined) onZoom(zoomAround(x, { from, to }, factor, xs));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const created = plot.current;
    const curve = curves[focus.curve];
    if (created === undefined || curve === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const { min, max } = created.scales['x']!;
    const shown = [nearestIndex(curve.x, min ?? -Infinity), nearestIndex(curve.x, max ?? Infinity)] as const;
    const action = actionOf(event.key, focus, curves, shown);
    if (action === undefined) return;
    event.preventDefault();
    if (action === 'reset') onZoom(undefined);
    else if ('move' in action) setHover(hoverOn(curves, action.move, projectionOf(created)));
    else if ('select' in action) onSelect(action.select);
    else zoomBy(action.zoom);
  };

  const left = hover === undefined ? 0 : leftOf(plot.current, curves[hover.focus.curve]?.x[hover.focus.index]);
  return (
    <figure class="chart">
      <div
        ref={box}
        class="chart-box"
        role="slider"
        tabIndex={0}
        aria-label="Loss curve"
        aria-orientation="horizontal"
        aria-valuemin={curves[focus.curve]?.points[0]?.step ?? 0}
        aria-valuemax={curves[focus.curve]?.points.at(-1)?.step ?? 0}
        aria-valuenow={focused?.step ?? 0}
        aria-valuetext={focused === undefined ? 'no steps yet' : describePoint(focused)}
        aria-describedby="chart-description chart-keys"
        onKeyDown={onKeyDown}
        onBlur={() => setHover(undefined)}
      />
      {hover !== undefined && focused !== undefined && (
        <Tooltip hover={hover} curves={curves} began={began} left={left} width={box.current?.clientWidth ?? 0} />
      )}
      <figcaption>
        <span id="chart-description" class="hidden">
          {description}
        </span>
        <span id="chart-keys" class="chart-keys">
          Drag to zoom, click for details. By keyboard: <kbd>←</kbd> <kbd>→</kbd> steps, <kbd>N</kbd> <kbd>P</kbd> next
          and previous finding, <kbd>Enter</kbd> details, <kbd>+</kbd> <kbd>−</kbd> <kbd>0</kbd> zoom
        </span>
        <ZoomButtons isZoomed={zoom !== undefined} onZoom={zoomBy} onReset={() => onZoom(undefined)} />
      </figcaption>
    </figure>
  );
}

/** As wide as its place; flatter on a phone. */
function sizeOf({ clientWidth }: HTMLElement): { width: number; height: number } {
  return { width: clientWidth, height: clientWidth < 600 ? 300 : 400 };
}

function projectionOf(plot: uPlot): Projection {
  return {
    left: (x) => plot.valToPos(x, 'x'),
    top: (loss) => plot.valToPos(loss, 'y'),
    valueAt: (left) => plot.posToVal(left, 'x'),
  };
}

/** Where a value is, in CSS pixels of the whole chart. */
function leftOf(plot: uPlot | undefined, x: number | undefined): number {
  if (plot === undefined || x === undefined) return 0;
  return plot.valToPos(x, 'x') + plot.bbox.left / devicePixelRatio;
}
