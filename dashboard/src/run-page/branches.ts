import { getAttempts, getSteps } from '../api/runs.ts';
import type { CurvePoint } from '../series/point.ts';
import { useLoaded } from '../ui/loaded.ts';

/** A superseded branch of a resumed run: an attempt's steps from where a later attempt took over. */
export interface Branch {
  run: string;
  attempt: number;
  from: number;
  /** Its losses; none before they are known. */
  points: CurvePoint[];
}

interface Run {
  run: string;
  points: readonly CurvePoint[];
}

/** Most branches of a run: a chart with more says nothing. */
const MOST = 5;

const NONE: Branch[] = [];

/** The last branches of runs. They are read again when a run has another attempt. */
export function useBranches(runs: readonly Run[], isShown: boolean): Branch[] {
  const key = JSON.stringify(runs.map(({ run, points }) => [run, points.length > 0, points.at(-1)?.attempt]));
  const read = async (signal: AbortSignal): Promise<Branch[]> => {
    const known = runs.filter(({ points }) => points.length > 0);
    return (await Promise.all(known.map(({ run }) => branchesOf(run, signal)))).flat();
  };
  // Without them the curves are right, and the next attempt asks again.
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
      // One step before, from which the branch goes off.
      const points = await getSteps(run, { attempt, from: Math.max(0, from - 1) }, signal).catch(() => []);
      return { run, attempt, from, points };
    }),
  );
}
