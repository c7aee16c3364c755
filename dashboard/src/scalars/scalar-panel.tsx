import { useMemo, useRef, useState } from 'preact/hooks';
import { CurveChart } from '../chart/curve-chart.tsx';
import type { View } from '../chart/view.ts';
import type { Zoom } from '../chart/zoom.ts';
import { formatLoss } from '../format/numbers.ts';
import { useIsInSight } from '../ui/in-sight.ts';
import { lastPartOf } from './groups.ts';
import { curvesOf, wantedOf } from './panel-run.ts';
import type { PanelRun, PanelStyle } from './panel-run.ts';
import { useScalarPoints } from './scalar-points.ts';

interface Properties {
  name: string;
  runs: readonly PanelRun[];
  isReady: boolean;
  style: PanelStyle;
  zoom: Zoom | undefined;
  /** The zoom, once it no longer changes. */
  settled: Zoom | undefined;
  onZoom: (zoom: Zoom | undefined) => void;
  onSelect: (step: number, run: string) => void;
}

/** Urgency of a panel, least first: panels on the screen from top to bottom, then panels near it. */
function urgencyOf(element: HTMLElement | null): number {
  if (element === null) return Infinity;
  const { top, bottom, left } = element.getBoundingClientRect();
  const isOnScreen = bottom > 0 && top < innerHeight;
  return (isOnScreen ? top : innerHeight + Math.abs(top)) + left / 10_000;
}

/** Panel of one scalar of all runs. It keeps its height while it is not drawn. */
export function ScalarPanel({ name, runs, isReady, style, zoom, settled, onZoom, onSelect }: Properties) {
  const element = useRef<HTMLDivElement>(null);
  const isInSight = useIsInSight(element);
  const { axis, log, smoothing, band, clip } = style;
  const { points, error } = useScalarPoints(name, wantedOf(name, runs, axis, settled), isInSight && isReady, () =>
    urgencyOf(element.current),
  );
  const [y, setY] = useState<Zoom>();
  const curves = useMemo(
    () => (isInSight ? curvesOf(name, runs, points, { axis, log, smoothing, isZoomed: settled !== undefined }) : []),
    [isInSight, name, runs, points, axis, log, smoothing, settled === undefined],
  );
  const isKnown = curves.some(({ points }) => points.length > 0);
  const show = (changed: Partial<View>): void => {
    if ('y' in changed) setY(changed.y);
    if ('zoom' in changed) onZoom(changed.zoom);
  };
  const last = runs.find(({ scalars }) => scalars?.has(name))?.scalars?.get(name)?.last_value;
  return (
    <div ref={element} class="panel" data-scalar={name}>
      <h4 title={name}>
        <span>{lastPartOf(name)}</span> <span class="muted">{formatLoss(last)}</span>
      </h4>
      {isInSight && isKnown && (
        <CurveChart
          isPanel
          what={name}
          label={lastPartOf(name)}
          {...{ curves, axis, log, band, clip }}
          smoothed={smoothing > 0}
          view={{ zoom, y }}
          onView={show}
          onSelect={({ curve, index }) => onSelect(curves[curve]!.points[index]!.step, curves[curve]!.run)}
        />
      )}
      {isInSight && !isKnown && (
        <p class="panel-state muted">{error === undefined ? 'Loading…' : 'This scalar cannot be read now.'}</p>
      )}
    </div>
  );
}
