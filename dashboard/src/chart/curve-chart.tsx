import { useEffect, useId, useMemo, useRef, useState } from 'preact/hooks';
import type uPlot from 'uplot';
import type { Axis } from '../series/axis.ts';
import { nearestIndex } from '../series/curve.ts';
import type { Curve } from '../series/curve.ts';
import { useIsDark } from '../ui/theme.ts';
import { alignCurves } from './align.ts';
import { ChartFoot } from './chart-foot.tsx';
import { describeCurve, describePoint } from './describe.ts';
import { hoverOn } from './hover.ts';
import type { Hover, PointAt } from './hover.ts';
import { actionOf } from './keyboard.ts';
import { leftOf, makePlot, projectionOf } from './make-plot.ts';
import type { PlotSize } from './make-plot.ts';
import { sightOf } from './pan.ts';
import type { Sight } from './pan.ts';
import { savePng } from './png.ts';
import { Tooltip } from './tooltip.tsx';
import { PAN_SHARE, endsOf, keptWithin, moved, stretched } from './view.ts';
import type { View } from './view.ts';
import { clippedRange } from './y-range.ts';
import { zoomAround } from './zoom.ts';

interface Properties {
  /** Subject of the chart: `Loss`, or the name of a scalar. */
  what: string;
  /** Text of the vertical axis. */
  label: string;
  curves: readonly Curve[];
  axis: Axis;
  log: boolean;
  smoothed: boolean;
  band: boolean;
  /** True when the vertical axis leaves out outliers. */
  clip: boolean;
  /** True for one of many charts: it is smaller and has no instructions. */
  isPanel?: boolean;
  view: View;
  selected?: PointAt | undefined;
  onView: (changed: Partial<View>) => void;
  onSelect: (point: PointAt) => void;
}

/** Chart of curves that is operated with a pointer or by keyboard. */
export function CurveChart(properties: Properties) {
  const { what, label, curves, axis, log, smoothed, band, clip, isPanel = false, view, selected } = properties;
  const { onView, onSelect } = properties;
  const [hovered, setHover] = useState<Hover>();
  // A curve may have been removed.
  const hover = hovered?.points.every(({ curve, index }) => curves[curve]?.points[index] !== undefined)
    ? hovered
    : undefined;
  const isDark = useIsDark();
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const data = useMemo(() => alignCurves(curves), [curves]);
  const clipped = useMemo(
    () => (clip && view.y === undefined ? clippedRange(curves, view.zoom, log) : undefined),
    [curves, view.zoom?.from, view.zoom?.to, view.y, log, clip],
  );
  const y = view.y ?? clipped?.range;
  const noun = what === 'Loss' ? 'loss' : what;
  const description = useMemo(() => curves.map((curve) => describeCurve(curve, noun)).join(' '), [curves, noun]);

  const show = ({ x, y }: Sight): void => {
    const isAllX = view.zoom === undefined;
    const isYKept = y.from === plot.current?.scales['y']?.min;
    onView({ ...(!isAllX && { zoom: keptWithin(x, endsOf(curves)) }), ...(!isYKept && { y }) });
  };
  // uPlot's callbacks read the properties of the last render, not of the render that created the plot.
  const state = { curves, hover, selected, view: { zoom: view.zoom, y }, setHover, onView, onPan: show, onSelect };
  const latest = useRef(state);
  latest.current = state;
  const colours = curves.map(({ colour }) => colour);

  useEffect(() => {
    const element = box.current!;
    const size = (): PlotSize => sizeOf(element, isPanel);
    const style = { colours, label, isPanel, axis, log, smoothed, band };
    const created = makePlot(element, { style, size: size(), data }, () => latest.current);
    const observer = new ResizeObserver(() => created.setSize(size()));
    observer.observe(element);
    plot.current = created;
    return () => {
      observer.disconnect();
      created.destroy();
      plot.current = undefined;
    };
  }, [colours.join(), label, axis, log, smoothed, band, isDark]);

  useEffect(() => plot.current?.setData(data), [data, view.zoom?.from, view.zoom?.to, y?.from, y?.to]);
  useEffect(() => plot.current?.redraw(false), [hover, selected?.curve, selected?.index]);

  const focus = hover?.focus ?? selected ?? { curve: 0, index: (curves[0]?.x.length ?? 1) - 1 };
  const focused = curves[focus.curve]?.points[focus.index];

  const zoomBy = (factor: number): void => {
    const sight = plot.current && sightOf(plot.current);
    const x = curves[focus.curve]?.x[focus.index];
    if (x !== undefined && sight !== undefined) onView({ zoom: zoomAround(x, sight.x, factor, endsOf(curves)) });
  };
  const stretch = (factor: number): void => {
    const sight = plot.current && sightOf(plot.current);
    if (sight !== undefined) onView({ y: stretched(sight.y, factor, log) });
  };
  const pan = (across: number, along: number): void => {
    const sight = plot.current && sightOf(plot.current);
    if (sight === undefined) return;
    show({ x: moved(sight.x, PAN_SHARE * across), y: moved(sight.y, PAN_SHARE * along, log) });
  };
  const reset = (): void => onView({ zoom: undefined, y: undefined });
  const onKeyDown = (event: KeyboardEvent): void => {
    const created = plot.current;
    const curve = curves[focus.curve];
    if (created === undefined || curve === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const { min, max } = created.scales['x']!;
    const shown = [nearestIndex(curve.x, min ?? -Infinity), nearestIndex(curve.x, max ?? Infinity)] as const;
    const action = actionOf(event, focus, curves, shown);
    if (action === undefined) return;
    event.preventDefault();
    if (action === 'reset') reset();
    else if ('move' in action) setHover(hoverOn(curves, action.move, projectionOf(created)));
    else if ('select' in action) onSelect(action.select);
    else if ('stretch' in action) stretch(action.stretch);
    else if ('pan' in action) pan(...action.pan);
    else zoomBy(action.zoom);
  };

  const left = hover === undefined ? 0 : leftOf(plot.current, curves[hover.focus.curve]?.x[hover.focus.index]);
  return (
    <figure class={isPanel ? 'chart panel-chart' : 'chart'}>
      <div
        ref={box}
        class="chart-box"
        role="slider"
        tabIndex={0}
        aria-label={what === 'Loss' ? 'Loss curve' : what}
        aria-orientation="horizontal"
        aria-valuemin={curves[focus.curve]?.points[0]?.step ?? 0}
        aria-valuemax={curves[focus.curve]?.points.at(-1)?.step ?? 0}
        aria-valuenow={focused?.step ?? 0}
        aria-valuetext={focused === undefined ? 'no steps yet' : describePoint(focused, noun)}
        aria-describedby={`${id}-description`}
        onKeyDown={onKeyDown}
        onBlur={() => setHover(undefined)}
      />
      {hover !== undefined && focused !== undefined && (
        <Tooltip {...{ what: noun, hover, curves, left, smoothed }} width={box.current?.clientWidth ?? 0} />
      )}
      <ChartFoot
        {...{ description, clip, clipped, isPanel }}
        descriptionId={`${id}-description`}
        isZoomed={view.zoom !== undefined || view.y !== undefined}
        onZoom={zoomBy}
        onStretch={stretch}
        onPan={pan}
        onReset={reset}
        onPng={() => plot.current && savePng(plot.current, titleOf(curves, what), curves)}
      />
    </figure>
  );
}

const titleOf = (curves: readonly Curve[], what: string): string => `${curves[0]?.run ?? ''} ${what}`;

/** Size of the plot: the width of its element, and a lower height on a phone. */
function sizeOf({ clientWidth }: HTMLElement, isPanel: boolean): PlotSize {
  return { width: clientWidth, height: isPanel ? 210 : clientWidth < 600 ? 300 : 400 };
}
