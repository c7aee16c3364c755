import type { StepLoss } from './store.ts';

/**
 * Steps that show a curve: of buckets of equally many steps the least and the greatest loss; the first step and the last;
 * and every step that is not finite, even where these are more than was asked for.
 * @param losses in the order of their steps
 * @param maxPoints about how many steps there may be
 * @returns steps, ascending
 */
export function pickSteps(losses: readonly StepLoss[], maxPoints: number): number[] {
  if (losses.length <= maxPoints) return losses.map(({ step }) => step);
  const picked = new Set<number>([losses[0]!.step, losses.at(-1)!.step]);
  const buckets = Math.max(1, Math.floor((maxPoints - 2) / 2));
  for (let bucket = 0; bucket < buckets; bucket++) {
    const end = Math.floor(((bucket + 1) * losses.length) / buckets);
    let least: StepLoss | undefined;
    let greatest: StepLoss | undefined;
    for (let k = Math.floor((bucket * losses.length) / buckets); k < end; k++) {
      const point = losses[k]!;
      if (point.nonFinite) picked.add(point.step);
      if (!Number.isFinite(point.loss)) continue;
      if (least === undefined || point.loss < least.loss) least = point;
      if (greatest === undefined || point.loss > greatest.loss) greatest = point;
    }
    if (least !== undefined) picked.add(least.step);
    if (greatest !== undefined) picked.add(greatest.step);
  }
  return [...picked].toSorted((a, b) => a - b);
}
