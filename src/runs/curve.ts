import { SPIKE_RULE, findSpikes, isSpike } from '../loss/spike.ts';
import { pickSteps } from './downsample.ts';
import type { StepPoint } from './record.ts';
import type { RunStore, StepLoss, StepRange } from './store.ts';

/** A step of a curve, and what others say of it. */
export interface CurvePoint extends StepPoint {
  /** Whether all ranks reported that are expected, or that the run is known to have. */
  complete: boolean;
  /** Whether the loss is a spike among those of the steps before. */
  spike: boolean;
}

/** The steps of a range. @param limit how many at most @returns them, and the step to go on from, where there are more */
export async function readCurve(
  store: RunStore,
  run: string,
  { from, to }: StepRange,
  limit: number,
): Promise<{ points: CurvePoint[]; next: number | undefined }> {
  const steps = await store.steps(run, { from, to }, limit + 1);
  const page = steps.slice(0, limit);
  return {
    points: await judge(store, run, page),
    next: steps.length > limit ? steps[limit]!.step : undefined,
  };
}

/** The steps of a range that show its curve. */
export async function sampleCurve(
  store: RunStore,
  run: string,
  range: StepRange,
  maxPoints: number,
): Promise<CurvePoint[]> {
  const losses = await store.losses(run, range);
  if (losses.length === 0) return [];
  const before = await store.lossesBefore(run, losses[0]!.step, SPIKE_RULE.window);
  const picked = new Set(pickSteps(losses, maxPoints));
  const places = new Map<number, number>();
  for (const [place, { step }] of losses.entries()) if (picked.has(step)) places.set(step, place);
  const points = await store.stepsAt(run, [...picked]);
  const ranks = await store.ranksOf(run);
  return points.map((point) => ({
    ...complete(point, ranks),
    spike: isSpike(point.loss, finiteBefore(losses, places.get(point.step)!, before)),
  }));
}

/** The last finite losses before a place, in their order. @param before those that come before all */
function finiteBefore(losses: readonly StepLoss[], place: number, before: readonly number[]): number[] {
  const trailing: number[] = [];
  for (let k = place - 1; k >= 0 && trailing.length < SPIKE_RULE.window; k--) {
    if (Number.isFinite(losses[k]!.loss)) trailing.push(losses[k]!.loss);
  }
  return [...before, ...trailing.toReversed()].slice(-SPIKE_RULE.window);
}

/** Consecutive steps, with what is said of them. */
export async function judge(store: RunStore, run: string, steps: readonly StepPoint[]): Promise<CurvePoint[]> {
  if (steps.length === 0) return [];
  const before = await store.lossesBefore(run, steps[0]!.step, SPIKE_RULE.window);
  const spikes = findSpikes([...before, ...steps.map(({ loss }) => loss)]).slice(before.length);
  const ranks = await store.ranksOf(run);
  return steps.map((point, k) => ({ ...complete(point, ranks), spike: spikes[k]! }));
}

/** A step by itself. */
export async function judgeOne(store: RunStore, run: string, point: StepPoint): Promise<CurvePoint> {
  // Of one that is not finite no losses before are looked at.
  const [judged] = Number.isFinite(point.loss)
    ? await judge(store, run, [point])
    : [{ ...complete(point, await store.ranksOf(run)), spike: false }];
  return judged!;
}

function complete(point: StepPoint, ranks: number | undefined): Omit<CurvePoint, 'spike'> {
  return { ...point, complete: point.ranks >= (ranks ?? 0) };
}
