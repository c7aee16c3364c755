import { getAttempts, getSteps } from '../api/runs.ts';
import type { CurvePoint } from '../series/point.ts';
import { useLoaded } from '../ui/loaded.ts';

/** Superseded branch of a resumed run: the steps of an attempt from the first step of a later attempt on. */
export interface Branch {
  run: string;
  attempt: number;
  from: number;
  /** Losses of the branch; empty when they could not be read. */
  points: CurvePoint[];
}

interface Run {
  run: string;
  points: readonly CurvePoint[];
}

/** Most branches of a run: a chart with more is unreadable. */
const MOST = 5;

const NONE: Branch[] = [];

/** Reads the last branches of runs, and again when a run has a new attempt. */
export function useBranches(runs: readonly Run[], isShown: boolean): Branch[] {
  const key = JSON.stringify(runs.map(({ run, points }) => [run, points.length > 0, points.at(-1)?.attempt]));
  const read = async (signal: AbortSignal): Promise<Branch[]> => {
    const known = runs.filter(({ points }) => points.length > 0);
    return (await Promise.all(known.map(({ run }) => branchesOf(run, signal)))).flat();
  };
  // Failures are ignored: curves are correct without branches, which are read again with the next attempt.
  const { value: branches = NONE } = useLoaded(isShown ? read : undefined, [key, isShown]);
  return isShown ? branches : NONE;
}

async function branchesOf(run: string, signal: AbortSignal): Promise<Branch[]> {
  const attempts = await getAttempts(run, signal);
  const left = attempts.flatMap(({ attempt, superseded_from: from }) =>
    from === undefined ? [] : [{ attempt, from }],
  );
  return Promise.all(
    left.slice(-MOST).map(async ({ attempt, from }) => {
      // Begins one step earlier, where the branch leaves the curve.
      const points = await getSteps(run, { attempt, from: Math.max(0, from - 1) }, signal).catch(() => []);
      return { run, attempt, from, points };
    }),
  );
}
