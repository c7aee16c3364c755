import type { CurvePoint } from './record.ts';
import { MOST_STEPS } from './store.ts';
import type { RunStore, StepRange } from './store.ts';

/** The steps of a range in pages. @param limit how many at most */
export async function* readCurve(
  store: RunStore,
  run: string,
  { from, to }: StepRange,
  limit = Infinity,
): AsyncGenerator<CurvePoint[]> {
  let left = limit;
  while (left > 0) {
    const wanted = Math.min(left, MOST_STEPS);
    const page: CurvePoint[] = await store.steps(run, { from, to }, wanted);
    if (page.length > 0) yield page;
    if (page.length < wanted) return;
    from = page.at(-1)!.step + 1;
    left -= page.length;
  }
}

/** The steps of a range that show its curve, in pages. @param maxPoints how many at most */
export async function* sampleCurve(
  store: RunStore,
  run: string,
  range: StepRange,
  maxPoints: number,
): AsyncGenerator<CurvePoint[]> {
  const steps = await store.pickSteps(run, range, maxPoints);
  for (let at = 0; at < steps.length; at += MOST_STEPS) yield store.stepsAt(run, steps.slice(at, at + MOST_STEPS));
}
