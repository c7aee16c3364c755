import { useMemo } from 'preact/hooks';
import type { RunSummary, StepPoint } from '../api/types.ts';
import { curveOf } from '../series/curve.ts';
import type { Curve } from '../series/curve.ts';
import { useBranches } from './branches.ts';
import type { Branch } from './branches.ts';
import type { Settings } from './settings.ts';
import { useZoomedPoints } from './zoomed-points.ts';

/** Run whose loss is drawn. */
export interface DrawnRun {
  run: string;
  summary?: RunSummary;
  points: StepPoint[];
  isLoaded: boolean;
  error?: unknown;
}

export interface RunCurves {
  /** One curve of each run, then the superseded branches. */
  curves: Curve[];
  /** Superseded branches of each run. */
  branches: Branch[][];
  /** Start of each run, in Unix milliseconds. */
  began: number[];
}

/** Makes the curves of runs for the settings. */
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

/** Start of a run, in Unix milliseconds: its creation, else its first record, else 0. */
function startOf(summary: RunSummary | undefined, firstRecord: string | undefined): number {
  return Date.parse(summary?.created_at ?? firstRecord ?? new Date(0).toISOString());
}
