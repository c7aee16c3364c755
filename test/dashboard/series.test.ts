import { describe, expect, test } from 'vitest';
import type { StepPoint } from '../../dashboard/src/api/types.ts';
import { putInto } from '../../dashboard/src/series/put-into.ts';
import { stepsWithin } from '../../dashboard/src/series/axis.ts';
import { curveOf, nearestIndex } from '../../dashboard/src/series/curve.ts';
import { mergeSteps } from '../../dashboard/src/series/merge.ts';
import { isUnchanged } from '../../dashboard/src/run-page/unchanged.ts';
import { zoomKeyOf } from '../../dashboard/src/run-page/zoom-key.ts';
import { withTimes } from '../../dashboard/src/series/times.ts';

const BEGAN = Date.UTC(2026, 0, 1);

/** A step. @param seconds time of its recording after the beginning of the run */
function point(step: number, loss = step, seconds = step): StepPoint {
  const sums = { numerator: loss, denominator: 1 };
  const recorded_at = new Date(BEGAN + seconds * 1000).toISOString();
  const is = { complete: true, non_finite: !Number.isFinite(loss), spike: false };
  return { step, attempt: 0, loss, ...sums, ...is, ranks: 1, recorded_at };
}

const stepsOf = (points: readonly { step: number }[]): number[] => points.map(({ step }) => step);

describe('steps that are told while a curve is shown', () => {
  test('come behind it', () => {
    expect(stepsOf(mergeSteps([point(1)], [point(2), point(3)]))).toEqual([1, 2, 3]);
  });

  test('stand where they belong, and replace what was known of them', () => {
    const merged = mergeSteps([point(1), point(3, 3), point(4)], [point(2), point(3, 30)]);
    expect(merged.map(({ step, loss }) => [step, loss])).toEqual([
      [1, 1],
      [2, 2],
      [3, 30],
      [4, 4],
    ]);
  });

  test('of a trainer that resumed take the place of all that came after its checkpoint', () => {
    const resumed = { ...point(2, 20), attempt: 1 };
    const lost = [point(1), point(2), point(3), point(4, NaN)];
    expect(mergeSteps(lost, [resumed]).map(({ step, loss }) => [step, loss])).toEqual([
      [1, 1],
      [2, 20],
    ]);
    // Both changes arrive in one frame.
    expect(stepsOf(mergeSteps([point(1)], [resumed, point(3)]))).toEqual([1, 2]);
  });

  test('begin a curve', () => {
    expect(stepsOf(mergeSteps([], [point(5), point(4)]))).toEqual([4, 5]);
  });
});

describe('a curve', () => {
  const options = { axis: 'step', smoothing: 0, log: false } as const;
  const origin = { run: 'a', name: 'a', colour: 0, began: BEGAN, isLoaded: true };

  test('has gaps where the loss is not finite', () => {
    expect(curveOf(origin, [point(1), point(2, NaN), point(3)], options).loss).toEqual([1, null, 3]);
  });

  test('has gaps on a logarithmic scale where the loss is not positive', () => {
    expect(curveOf(origin, [point(1, 0), point(2, -1), point(3)], { ...options, log: true }).loss).toEqual([
      null,
      null,
      3,
    ]);
  });

  test('is ordered by time when it is drawn over time', () => {
    const { x, points } = curveOf(origin, [point(1, 1, 9), point(2, 2, 5)], { ...options, axis: 'relative' });
    expect([x, stepsOf(points)]).toEqual([
      [5, 9],
      [2, 1],
    ]);
  });
});

describe('the point that is nearest', () => {
  test.each([
    [-5, 0],
    [1.4, 0],
    [1.6, 1],
    [4, 2],
    [99, 2],
  ])('to %d is number %d', (x, index) => {
    expect(nearestIndex([1, 2, 5], x)).toBe(index);
  });

  test('is none without points', () => {
    expect(nearestIndex([], 1)).toBe(-1);
  });
});

describe('what is in sight', () => {
  const points = [point(10, 1, 1), point(20, 1, 2), point(30, 1, 3), point(40, 1, 4)];

  test('is a range of steps, with one more on either side over time', () => {
    expect(stepsWithin(points, 'step', BEGAN, { from: 11.2, to: 28.5 })).toEqual({ from: 11, to: 29 });
    expect(stepsWithin(points, 'relative', BEGAN, { from: 1.5, to: 2.5 })).toEqual({ from: 10, to: 30 });
    expect(stepsWithin(points, 'relative', BEGAN, { from: 8, to: 9 })).toBeUndefined();
  });

  test('is drawn finely, the rest coarsely', () => {
    expect(stepsOf(putInto(points, [point(20), point(21), point(22)]))).toEqual([10, 20, 21, 22, 30, 40]);
    expect(putInto(points, [])).toEqual(points);
  });

  test('shows ranks that report a step after its fine points were read', () => {
    const reported = [point(10), point(20, 5), point(30)];
    expect(putInto(reported, [point(19), point(20), point(21)]).map(({ step, loss }) => [step, loss])).toEqual([
      [10, 10],
      [19, 19],
      [20, 5],
      [21, 21],
      [30, 30],
    ]);
  });

  test('is read again when the zoom changes, a run resumes or is recorded anew, but not with each step', () => {
    const run = { run: 'a', summary: { created_at: '2026-01-01T00:00:00Z' }, points };
    const zoom = { from: 1, to: 2 };
    const key = zoomKeyOf([run], 'step', zoom);
    expect(zoomKeyOf([{ ...run, points: [...points, point(50)] }], 'step', zoom)).toBe(key);
    const others = [
      zoomKeyOf([{ ...run, points: [...points, { ...point(35), attempt: 1 }] }], 'step', zoom),
      zoomKeyOf([{ ...run, summary: { created_at: '2026-01-02T00:00:00Z' } }], 'step', zoom),
      zoomKeyOf([run], 'wall', zoom),
      zoomKeyOf([run], 'step', { from: 1, to: 3 }),
    ];
    expect(new Set([key, ...others]).size).toBe(5);
  });
});

test('a point without a time has one between those of the steps around it', () => {
  const timed = [point(10, 1, 100), point(20, 1, 200)];
  const bare = (step: number) => ({ step, attempt: 0, loss: 1, ranks: 1, non_finite: false, spike: false });
  const times = withTimes([5, 10, 15, 20, 30].map(bare), timed).map(({ recorded_at: time }) => Date.parse(time!));
  expect(times.map((time) => (time - BEGAN) / 1000)).toEqual([100, 100, 150, 200, 200]);
  expect(withTimes([bare(1)], [])).toEqual([bare(1)]);
});

test('a run has changed when its time or its number of batches has', () => {
  const before = { updated_at: '2026-01-01T00:00:00.000Z', batches: 4 };
  expect(isUnchanged(before, { ...before })).toBe(true);
  expect(isUnchanged(before, { ...before, batches: 5 })).toBe(false);
  expect(isUnchanged(before, { ...before, updated_at: '2026-01-01T00:00:00.001Z' })).toBe(false);
  expect(isUnchanged(undefined, before)).toBe(false);
});
