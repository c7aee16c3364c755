/** Visible part of the horizontal axis. */
export interface Zoom {
  from: number;
  to: number;
}

/**
 * So much more or less of the axis around a place, which stays where it is; never more than there is.
 * @returns undefined for all of it
 */
export function zoomAround(x: number, { from, to }: Zoom, factor: number, xs: readonly number[]): Zoom | undefined {
  const [first, last] = [xs[0]!, xs.at(-1)!];
  // From a place that is out of sight, the middle of what is in sight is meant.
  const center = x < from || x > to ? (from + to) / 2 : x;
  const zoom = {
    from: Math.max(first, center - (center - from) * factor),
    to: Math.min(last, center + (to - center) * factor),
  };
  return zoom.from >= zoom.to || (zoom.from === first && zoom.to === last) ? undefined : zoom;
}
