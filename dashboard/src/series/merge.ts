import type { StepPoint } from '../api/types.ts';

/**
 * Steps in order, with the newer state of those that stand in both. Mostly there is but one, behind all others. A trainer
 * that resumes raises the attempt: steps of lower attempts behind it are no longer part of the run.
 */
export function mergeSteps(points: readonly StepPoint[], fresh: readonly StepPoint[]): StepPoint[] {
  const last = points.at(-1)?.step ?? -Infinity;
  if (fresh.every(({ step }, k) => step > (fresh[k - 1]?.step ?? last))) return current([...points, ...fresh]);
  const byStep = new Map(points.map((point) => [point.step, point]));
  for (const point of fresh) byStep.set(point.step, point);
  return current([...byStep.values()].toSorted((a, b) => a.step - b.step));
}

/** Steps without those that a step before them supersedes. */
function current(points: StepPoint[]): StepPoint[] {
  let newest = 0;
  return points.filter(({ attempt }) => {
    newest = Math.max(newest, attempt);
    return attempt === newest;
  });
}
