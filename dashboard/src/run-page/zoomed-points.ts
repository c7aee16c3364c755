import { useEffect, useState } from 'preact/hooks';
import { getSteps } from '../api/runs.ts';
import type { RunSummary, StepPoint } from '../api/types.ts';
import { stepsWithin } from '../series/axis.ts';
import type { Zoom } from '../chart/zoom.ts';
import type { Axis } from '../series/axis.ts';
import { putInto } from '../series/put-into.ts';
import { zoomKeyOf } from './zoom-key.ts';

interface Run {
  run: string;
  summary?: RunSummary;
  points: StepPoint[];
}

/** Delay before points of a new zoom are requested, in milliseconds. It is longer than the time between two key presses. */
const SETTLE_MS = 150;

/** Returns the points of runs. With a zoom, finer points of the visible part are requested and put into them. */
export function useZoomedPoints(runs: readonly Run[], axis: Axis, zoom: Zoom | undefined): StepPoint[][] {
  const key = zoom === undefined ? '' : zoomKeyOf(runs, axis, zoom);
  const [detail, setDetail] = useState<{ key: string; points: StepPoint[][] }>();
  const areThinned = runs.some(({ summary, points }) => (summary?.steps ?? 0) > points.length);
  useEffect(() => {
    if (zoom === undefined || !areThinned) return;
    const controller = new AbortController();
    const timer = setTimeout(() => {
      loadDetail(runs, axis, zoom, controller.signal).then(
        (points) => setDetail({ key, points }),
        // The coarse points stay: they are correct.
        () => {},
      );
    }, SETTLE_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [key, areThinned]);
  if (detail === undefined || detail.key !== key || zoom === undefined) return runs.map(({ points }) => points);
  return runs.map(({ points }, k) => putInto(points, detail.points[k] ?? []));
}

function loadDetail(runs: readonly Run[], axis: Axis, zoom: Zoom, signal: AbortSignal): Promise<StepPoint[][]> {
  return Promise.all(
    runs.map(async ({ run, summary, points }) => {
      if (summary === undefined || summary.steps <= points.length) return [];
      const range = stepsWithin(points, axis, Date.parse(summary.created_at), zoom);
      return range === undefined ? [] : getSteps(run, range, signal);
    }),
  );
}
