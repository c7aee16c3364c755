import type { Zoom } from '../chart/zoom.ts';
import { stepsWithin } from '../series/axis.ts';
import type { Axis } from '../series/axis.ts';
import { curveOf } from '../series/curve.ts';
import type { Curve } from '../series/curve.ts';
import type { CurvePoint } from '../series/point.ts';
import { putInto } from '../series/put-into.ts';
import { withTimes } from '../series/times.ts';
import type { ScalarList } from './scalar-lists.ts';
import type { WantedScalar } from './scalar-points.ts';

/** A run as its scalars are drawn. */
export interface PanelRun {
  run: string;
  colour: number;
  /** When it began, in Unix milliseconds. */
  began: number;
  /** Its losses, which know the time of each step. */
  losses: readonly CurvePoint[];
  scalars: ScalarList | undefined;
  /** Attempts that are drawn beside its curve, and the steps from which they were superseded. */
  branches: readonly { attempt: number; from: number }[];
}

/** Appearance of curves of scalars, which is that of the loss. */
export interface PanelStyle {
  axis: Axis;
  log: boolean;
  smoothing: number;
  band: boolean;
  clip: boolean;
}

/** All points of a run, and finer ones in sight. */
export function wantedOf(name: string, runs: readonly PanelRun[], axis: Axis, zoom: Zoom | undefined): WantedScalar[] {
  return runs.flatMap(({ run, began, losses, scalars, branches }) => {
    const count = scalars?.get(name)?.points;
    if (count === undefined) return [];
    const revision = String(count);
    const range = zoom && rangeOf(losses, axis, began, zoom);
    return [
      { key: run, run, revision },
      ...(range === undefined
        ? []
        : [{ key: `${run} in sight`, run, range, revision: `${revision} ${range.from} ${range.to}` }]),
      ...branches.map(({ attempt, from }) => ({
        key: `${run} ${attempt}`,
        run,
        attempt,
        revision: String(from),
        range: { from: Math.max(0, from - 1) },
      })),
    ];
  });
}

const rangeOf = (losses: readonly CurvePoint[], axis: Axis, began: number, zoom: Zoom) => {
  const range = stepsWithin(losses, axis, began, zoom);
  return range && { from: Math.max(0, range.from), to: Math.max(0, range.to) };
};

/** Curves of a scalar, each run in its colour, and what was left behind in grey. */
export function curvesOf(
  name: string,
  runs: readonly PanelRun[],
  points: ReadonlyMap<string, CurvePoint[]>,
  { axis, log, smoothing, isZoomed }: Pick<PanelStyle, 'axis' | 'log' | 'smoothing'> & { isZoomed: boolean },
): Curve[] {
  const timed = (some: readonly CurvePoint[], losses: readonly CurvePoint[]): readonly CurvePoint[] =>
    axis === 'step' ? some : withTimes(some, losses);
  const own = runs
    .filter(({ scalars }) => scalars?.has(name))
    .map(({ run, colour, began, losses }) => {
      const all = points.get(run);
      const fine = isZoomed ? (points.get(`${run} in sight`) ?? []) : [];
      const origin = { run, name: run, colour, began, isLoaded: all !== undefined };
      return curveOf(origin, timed(putInto(all ?? [], fine), losses), { axis, log, smoothing });
    });
  const old = runs.flatMap(({ run, began, losses, branches }) =>
    branches.flatMap(({ attempt }) => {
      const some = points.get(`${run} ${attempt}`) ?? [];
      if (some.length === 0) return [];
      const origin = { run, name: `${run}, attempt ${attempt}`, colour: 'old' as const, began, isLoaded: true };
      return [curveOf(origin, timed(some, losses), { axis, log, smoothing })];
    }),
  );
  return [...own, ...old];
}
