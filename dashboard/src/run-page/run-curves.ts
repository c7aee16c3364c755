import { useMemo } from 'preact/hooks';
import type { RunSummary, StepPoint } from '../api/types.ts';
import { curveOf } from '../series/curve.ts';
import type { Curve } from '../series/curve.ts';
import { useBranches } from './branches.ts';
import type { Branch } from './branches.ts';
import type { Settings } from './settings.ts';
import { useZoomedPoints } from './zoomed-points.ts';

/** A run whose loss is drawn. */
export interface DrawnRun {
  run: string;
  summary?: RunSummary;
  points: StepPoint[];
  isLoaded: boolean;
  error?: unknown;
}

export interface RunCurves {
  /** One of each run, and then what resumed runs left behind. */
  curves: Curve[];
  /** Branches by runs. */
  branches: Branch[][];
  /** When each run began, in Unix milliseconds. */
  began: number[];
}

/** The curves of runs, as the settings want them. */
export function useRunCurves(runs: readonly DrawnRun[], settings: Settings): RunCurves {
  const { axis, log, smoothing, zoom } = settings;
  const points = useZoomedPoints(runs, axis, zoom);
  const branches = useBranches(runs, settings.branches);
  const began = runs.map(({ summary, points }) => startOf(summary, points[0]?.recorded_at));
  const loaded = runs.map(({ isLoaded }) => isLoaded);
  const curves = useMemo(() => {
    const options = { axis, log, smoothing };
    const own = runs.map(({ run, isLoaded }, k) =>
      curveOf({ run, name: run, colour: k, began: began[k]!, isLoaded }, points[k]!, options),
    );
    const old = branches
      .filter((branch) => branch.points.length > 0)
      .map(({ run, attempt, points }) => {
        const name = `${run}, attempt ${attempt}`;
        const start = began[runs.findIndex((other) => other.run === run)] ?? 0;
        return curveOf({ run, name, colour: 'old', began: start, isLoaded: true }, points, options);
      });
    return [...own, ...old];
  }, [
    ...runs.map(({ points }) => points),
    zoom && points,
    branches,
    axis,
    log,
    smoothing,
    began.join(),
    loaded.join(),
  ]);
  const names = runs.map(({ run }) => run);
  const grouped = useMemo(
    () => names.map((run) => branches.filter((branch) => branch.run === run)),
    [branches, JSON.stringify(names)],
  );
  return { curves, branches: grouped, began };
}

/** When a run began, in Unix milliseconds. */
function startOf(summary: RunSummary | undefined, firstRecord: string | undefined): number {
  return Date.parse(summary?.created_at ?? firstRecord ?? new Date(0).toISOString());
}
