import type { StepPoint } from '../api/types.ts';

/** Steps in order, with the newer state of those that stand in both. Mostly there is but one, behind all others. */
export function mergeSteps(points: readonly StepPoint[], fresh: readonly StepPoint[]): StepPoint[] {
  const last = points.at(-1)?.step ?? -Infinity;
  if (fresh.every(({ step }, k) => step > (fresh[k - 1]?.step ?? last))) return [...points, ...fresh];
  const byStep = new Map(points.map((point) => [point.step, point]));
  for (const point of fresh) byStep.set(point.step, point);
  return [...byStep.values()].toSorted((a, b) => a.step - b.step);
}
