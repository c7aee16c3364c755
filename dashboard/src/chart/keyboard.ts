import type { Curve } from '../series/curve.ts';
import { nextMarker } from './hover.ts';
import type { PointAt } from './hover.ts';

/** Action of a key in a chart. */
export type Action =
  | { move: PointAt }
  | { select: PointAt }
  | { zoom: number }
  | { stretch: number }
  | { pan: readonly [across: number, along: number] }
  | 'reset'
  | undefined;

/** Keys that move the visible part when Shift is held. */
const PANS: Record<string, readonly [across: number, along: number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

/** Number of pages into which the visible points are divided, for PageUp and PageDown. */
const PAGES = 10;

/** Finds the action of a key. @param shown indices of the first and the last visible point of the curve */
export function actionOf(
  { key, shiftKey }: { key: string; shiftKey: boolean },
  at: PointAt,
  curves: readonly Curve[],
  [first, last]: readonly [number, number],
): Action {
  const to = (index: number): Action => ({ move: { ...at, index: Math.min(last, Math.max(first, index)) } });
  const page = Math.max(1, Math.round((last - first) / PAGES));
  const marked = (direction: 1 | -1): Action => {
    const marker = nextMarker(curves[at.curve]!, at.index, direction, [first, last]);
    return marker === undefined ? undefined : to(marker.index);
  };
  const actions: Record<string, () => Action> = {
    ArrowLeft: () => to(at.index - 1),
    ArrowRight: () => to(at.index + 1),
    PageDown: () => to(at.index - page),
    PageUp: () => to(at.index + page),
    Home: () => to(first),
    End: () => to(last),
    n: () => marked(1),
    p: () => marked(-1),
    Enter: () => ({ select: at }),
    ' ': () => ({ select: at }),
    '+': () => ({ zoom: 0.5 }),
    '=': () => ({ zoom: 0.5 }),
    '-': () => ({ zoom: 2 }),
    i: () => ({ stretch: 0.5 }),
    o: () => ({ stretch: 2 }),
    '0': () => 'reset',
  };
  const pan = shiftKey ? PANS[key] : undefined;
  // Caps Lock makes letters capital.
  return pan === undefined ? (actions[key] ?? actions[key.toLowerCase()])?.() : { pan };
}
