import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StepPoint } from '../../dashboard/src/api/types.ts';
import { hoverAt, hoverOn } from '../../dashboard/src/chart/hover.ts';
import { actionOf } from '../../dashboard/src/chart/keyboard.ts';
import { logRange, logTicks } from '../../dashboard/src/chart/ticks.ts';
import { endsOf, keptWithin, moved, stretched } from '../../dashboard/src/chart/view.ts';
import { clippedRange } from '../../dashboard/src/chart/y-range.ts';
import { zoomAround } from '../../dashboard/src/chart/zoom.ts';
import { curveOf } from '../../dashboard/src/series/curve.ts';
import type { Curve } from '../../dashboard/src/series/curve.ts';

const originOf = (run: string) => ({ run, name: run, colour: 0, began: 0, isLoaded: true });

/** A curve over the steps 0, 1, 2, … */
function curve(run: string, losses: readonly number[]): Curve {
  const points = losses.map((loss, step) => ({ step, loss, non_finite: !Number.isFinite(loss), spike: false }));
  return curveOf(originOf(run), points as StepPoint[], { axis: 'step', smoothing: 0, log: false });
}

/** Projection with 10 pixels per step and 100 pixels per unit of loss. Loss 0 is at the top. */
const projection = {
  left: (x: number) => 10 * x,
  top: (loss: number) => 100 * loss,
  valueAt: (left: number) => left / 10,
};

describe('the pointer', () => {
  const curves = [curve('low', [1, 1, NaN, 1, 1]), curve('high', [3, 3, 3, 3])];

  test('is at the points beside it, and means the curve that is nearer', () => {
    expect(hoverAt(curves, { left: 1, top: 290 }, projection)).toEqual({
      points: [
        { curve: 0, index: 0 },
        { curve: 1, index: 0 },
      ],
      focus: { curve: 1, index: 0 },
    });
  });

  test('means what is not finite when it comes near', () => {
    expect(hoverAt(curves, { left: 14, top: 120 }, projection)?.focus).toEqual({ curve: 0, index: 2 });
    expect(hoverAt(curves, { left: 9, top: 120 }, projection)?.focus).toEqual({ curve: 0, index: 1 });
  });

  test('leaves out a curve that has ended long before', () => {
    const [short, long] = [curve('short', [1]), curve('long', Array<number>(30).fill(2))];
    expect(hoverAt([short, long], { left: 200, top: 0 }, projection)?.points).toEqual([{ curve: 1, index: 20 }]);
  });

  test('is at nothing where there is nothing', () => {
    expect(hoverAt([curve('empty', [])], { left: 0, top: 0 }, projection)).toBeUndefined();
    expect(hoverOn([curve('empty', [])], { curve: 0, index: -1 }, projection)).toBeUndefined();
  });
});

describe('a key', () => {
  const curves = [curve('a', [1, NaN, 1, 1, Infinity, 1])];
  const at = (index: number) => ({ curve: 0, index });

  test.each([
    ['ArrowRight', 2, { move: at(3) }],
    ['ArrowRight', 5, { move: at(5) }],
    ['ArrowLeft', 0, { move: at(0) }],
    ['Home', 3, { move: at(0) }],
    ['End', 3, { move: at(5) }],
    ['n', 1, { move: at(4) }],
    ['p', 4, { move: at(1) }],
    ['n', 4, undefined],
    ['Enter', 4, { select: at(4) }],
    ['+', 4, { zoom: 0.5 }],
    ['i', 4, { stretch: 0.5 }],
    ['0', 4, 'reset'],
    ['N', 1, { move: at(4) }],
    ['P', 4, { move: at(1) }],
    ['I', 4, { stretch: 0.5 }],
    ['O', 4, { stretch: 2 }],
    ['x', 4, undefined],
  ])('%s at %d', (key, index, action) => {
    expect(actionOf({ key, shiftKey: false }, at(index), curves, [0, 5])).toEqual(action);
  });

  test('moves what is in sight with Shift', () => {
    expect(actionOf({ key: 'ArrowUp', shiftKey: true }, at(3), curves, [0, 5])).toEqual({ pan: [0, 1] });
  });

  test('goes no further than what is in sight', () => {
    expect(actionOf({ key: 'ArrowRight', shiftKey: false }, at(3), curves, [1, 3])).toEqual({ move: at(3) });
  });

  test.each([
    ['n', 1, [0, 3], undefined],
    ['p', 4, [2, 5], undefined],
    ['n', 0, [2, 5], { move: at(4) }],
    ['p', 5, [0, 3], { move: at(1) }],
  ] as const)('%s at %d goes only to markers among the visible points %j', (key, index, shown, action) => {
    expect(actionOf({ key, shiftKey: false }, at(index), curves, shown)).toEqual(action);
  });
});

describe('zooming', () => {
  const ends = [0, 100] as const;

  test('keeps the place where it is', () => {
    expect(zoomAround(25, { from: 0, to: 100 }, 0.5, ends)).toEqual({ from: 12.5, to: 62.5 });
  });

  test('out ends with all there is', () => {
    expect(zoomAround(50, { from: 40, to: 60 }, 2, ends)).toEqual({ from: 30, to: 70 });
    expect(zoomAround(50, { from: 20, to: 80 }, 2, ends)).toBeUndefined();
  });

  test('from out of sight goes to the middle', () => {
    expect(zoomAround(99, { from: 10, to: 30 }, 0.5, ends)).toEqual({ from: 15, to: 25 });
  });

  test('out of a part beside one curve stays there while another curve is longer', () => {
    const both = endsOf([curve('short', [1, 1]), curve('empty', []), curve('long', Array<number>(101).fill(1))]);
    expect(both).toEqual([0, 100]);
    expect(zoomAround(1, { from: 60, to: 70 }, 2, both)).toEqual({ from: 55, to: 75 });
  });
});

describe('what is in sight', () => {
  const range = { from: 10, to: 1000 };

  test('is moved and stretched, by ratios on a logarithmic scale', () => {
    expect(moved(range, 0.5)).toEqual({ from: 505, to: 1495 });
    expect(moved(range, 0.5, true)).toEqual({ from: 100, to: 10_000 });
    expect(stretched(range, 2)).toEqual({ from: -485, to: 1495 });
    expect(stretched(range, 2, true)).toEqual({ from: 1, to: 10_000 });
  });

  test('does not leave the curve', () => {
    expect(keptWithin({ from: -5, to: 15 }, [0, 100])).toEqual({ from: 0, to: 20 });
    expect(keptWithin({ from: 95, to: 115 }, [0, 100])).toEqual({ from: 80, to: 100 });
    expect(keptWithin({ from: 5, to: 15 }, [0, 100])).toEqual({ from: 5, to: 15 });
  });

  test('moves freely in a chart without points', () => {
    expect(keptWithin({ from: 5, to: 15 }, endsOf([curve('empty', [])]))).toEqual({ from: 5, to: 15 });
  });

  test('has no outliers once they are clipped', () => {
    const losses = Array.from({ length: 100 }, (_, k) => (k === 30 ? 1000 : 2 + (k % 10) / 10));
    const clipped = clippedRange([curve('a', losses)], undefined, false)!;
    expect([clipped.outside, clipped.points]).toEqual([1, 100]);
    expect(clipped.range.from).toBeCloseTo(2 - 0.09);
    expect(clipped.range.to).toBeCloseTo(2.9 + 0.09);
    expect(clippedRange([curve('a', losses)], { from: 31, to: 99 }, false)).toBeUndefined();
    expect(clippedRange([curve('a', [NaN])], undefined, true)).toBeUndefined();
  });
});

describe('a logarithmic axis has ticks', () => {
  test.each([
    [2.4, 11, [3, 4, 5, 6, 7, 8, 9, 10, 11]],
    [2.005, 2.042, [2.005, 2.01, 2.015, 2.02, 2.025, 2.03, 2.035, 2.04]],
    [0.02, 3, [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2]],
    [1e-6, 2, [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1]],
  ])('from %d to %d', (low, high, ticks) => {
    expect(logTicks(low, high)).toEqual(ticks);
  });

  test('in the right number, whatever the range', () => {
    const positive = fc.double({ min: 1e-12, max: 1e12, noNaN: true });
    fc.assert(
      fc.property(positive, positive, (a, b) => {
        const [low, high] = logRange(Math.min(a, b), Math.max(a, b));
        const ticks = logTicks(low, high);
        expect(ticks.length).toBeGreaterThan(1);
        expect(ticks.length).toBeLessThan(16);
        expect(ticks).toEqual([...new Set(ticks)].toSorted((a, b) => a - b));
      }),
    );
  });
});
