import type { ScalarSummary } from '../api/types.ts';
import type { Zoom } from '../chart/zoom.ts';
import { stepsWithin } from '../series/axis.ts';
import type { Axis } from '../series/axis.ts';
import { curveOf } from '../series/curve.ts';
import type { Curve } from '../series/curve.ts';
import type { CurvePoint } from '../series/point.ts';
import { putInto } from '../series/put-into.ts';
import { withTimes } from '../series/times.ts';

/** Run whose scalars are drawn. */
export interface PanelRun {
  run: string;
  colour: number;
  /** Start of the run, in Unix milliseconds. */
  began: number;
  /** Losses of the run, which give the time of each step. */
  losses: readonly CurvePoint[];
  /** Scalars of the run, by name; undefined until they are loaded. */
  scalars: ReadonlyMap<string, Pick<ScalarSummary, 'points' | 'last_value'>> | undefined;
  /** Superseded attempts that are drawn too, the steps from which they were superseded, and their losses. */
  branches: readonly { attempt: number; from: number; points: readonly CurvePoint[] }[];
}

/** Appearance of the curves of scalars, the same as of the loss curve. */
export interface PanelStyle {
  axis: Axis;
  log: boolean;
  smoothing: number;
  band: boolean;
  clip: boolean;
}

/** Curve of a scalar to read. */
export interface WantedScalar {
  /** Identifier of the curve: the run, with an attempt or the visible part. */
  key: string;
  run: string;
  attempt?: number;
  /** Steps; undefined for all. */
  range?: { from?: number; to?: number } | undefined;
  /** Changes when there are more points. */
  revision: string;
}

/** Lists the curves to read: each whole run, finer points of its visible part, and its superseded attempts. */
export function wantedOf(name: string, runs: readonly PanelRun[], axis: Axis, zoom: Zoom | undefined): WantedScalar[] {
  return runs.flatMap(({ run, began, losses, scalars, branches }) => {
    const count = scalars?.get(name)?.points;
    if (count === undefined) return [];
    const revision = String(count);
    const range = zoom && rangeOf(losses, axis, began, zoom);
    return [
      { key: keyOf(run), run, revision },
      ...(range === undefined
        ? []
        : [{ key: keyOf(run, IN_SIGHT), run, range, revision: `${revision} ${range.from} ${range.to}` }]),
      ...branches.map(({ attempt, from }) => ({
        key: keyOf(run, attempt),
        run,
        attempt,
        revision: String(from),
        range: { from: Math.max(0, from - 1) },
      })),
    ];
  });
}

const IN_SIGHT = 'in sight';

/** Identifies a curve to read: a whole run, its visible part, or a superseded attempt. */
const keyOf = (run: string, part?: typeof IN_SIGHT | number): string => JSON.stringify([run, part]);

const rangeOf = (losses: readonly CurvePoint[], axis: Axis, began: number, zoom: Zoom) => {
  const range = stepsWithin(losses, axis, began, zoom);
  return range && { from: Math.max(0, range.from), to: Math.max(0, range.to) };
};

/** Makes the curves of a scalar: each run in its colour, superseded attempts in grey. */
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
      const all = points.get(keyOf(run));
      const fine = isZoomed ? (points.get(keyOf(run, IN_SIGHT)) ?? []) : [];
      const origin = { run, name: run, colour, began, isLoaded: all !== undefined };
      return curveOf(origin, timed(putInto(all ?? [], fine), losses), { axis, log, smoothing });
    });
  const old = runs.flatMap(({ run, began, branches }) =>
    branches.flatMap(({ attempt, points: losses }) => {
      const some = points.get(keyOf(run, attempt)) ?? [];
      if (some.length === 0) return [];
      const origin = { run, name: `${run}, attempt ${attempt}`, colour: 'old' as const, began, isLoaded: true };
      return [curveOf(origin, timed(some, losses), { axis, log, smoothing })];
    }),
  );
  return [...own, ...old];
}
