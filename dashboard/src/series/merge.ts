import type { StepPoint } from '../api/types.ts';

/**
 * Merges points in the order of their steps. A fresh point replaces the known point of the same step. Usually there is
 * one fresh point, after all others. A trainer that resumes increases the attempt: from its first step on, steps of lower
 * attempts are no longer part of the run.
 */
export function mergeSteps(points: readonly StepPoint[], fresh: readonly StepPoint[]): StepPoint[] {
  const last = points.at(-1)?.step ?? -Infinity;
  if (fresh.every(({ step }, k) => step > (fresh[k - 1]?.step ?? last))) return current([...points, ...fresh]);
  const byStep = new Map(points.map((point) => [point.step, point]));
  for (const point of fresh) byStep.set(point.step, point);
  return current([...byStep.values()].toSorted((a, b) => a.step - b.step));
}

/** Drops steps that an earlier step of a higher attempt supersedes. */
function current(points: StepPoint[]): StepPoint[] {
  let newest = 0;
  return points.filter(({ attempt }) => {
    newest = Math.max(newest, attempt);
    return attempt === newest;
  });
}
