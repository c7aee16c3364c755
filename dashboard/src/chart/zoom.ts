/** Visible part of the horizontal axis. */
export interface Zoom {
  from: number;
  to: number;
}

/**
 * Changes the length of a zoom by a factor. The position x stays fixed on the screen, and the zoom stays between the ends
 * of the axis.
 * @returns undefined for the whole axis
 */
export function zoomAround(
  x: number,
  { from, to }: Zoom,
  factor: number,
  [first, last]: readonly [number, number],
): Zoom | undefined {
  // When x is not visible, the middle of the visible part is kept.
  const center = x < from || x > to ? (from + to) / 2 : x;
  const zoom = {
    from: Math.max(first, center - (center - from) * factor),
    to: Math.min(last, center + (to - center) * factor),
  };
  return zoom.from >= zoom.to || (zoom.from === first && zoom.to === last) ? undefined : zoom;
}
