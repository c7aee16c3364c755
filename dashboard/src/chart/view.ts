import type { Curve } from '../series/curve.ts';
import type { Zoom } from './zoom.ts';

/** Visible part of both axes; undefined for the whole axis. */
export interface View {
  zoom: Zoom | undefined;
  y: Zoom | undefined;
}

/** Share of the visible part by which a key or a button moves it. */
export const PAN_SHARE = 0.25;

/** Moves a range by a share of its length. On a logarithmic scale lengths are ratios. */
export function moved({ from, to }: Zoom, share: number, log = false): Zoom {
  if (log) {
    const factor = (to / from) ** share;
    return { from: from * factor, to: to * factor };
  }
  const distance = (to - from) * share;
  return { from: from + distance, to: to + distance };
}

/** Makes a range longer or shorter around its middle. */
export function stretched({ from, to }: Zoom, factor: number, log = false): Zoom {
  const half = (factor - 1) / 2;
  if (log) return { from: from / (to / from) ** half, to: to * (to / from) ** half };
  const more = (to - from) * half;
  return { from: from - more, to: to + more };
}

/** Moves a range into another range, without changing its length. */
export function keptWithin({ from, to }: Zoom, [first, last]: readonly [number, number]): Zoom {
  const distance = Math.max(first - from, 0) + Math.min(last - to, 0);
  return { from: from + distance, to: to + distance };
}

/** Returns the first and last position of all curves on the horizontal axis; [−∞, ∞] without points. */
export function endsOf(curves: readonly Pick<Curve, 'x'>[]): [number, number] {
  const xs = curves.flatMap(({ x }) => (x.length === 0 ? [] : [x[0]!, x.at(-1)!]));
  return xs.length === 0 ? [-Infinity, Infinity] : [Math.min(...xs), Math.max(...xs)];
}
