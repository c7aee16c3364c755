import type { CurvePoint } from './point.ts';

/**
 * Gives points the times of another curve of the run, interpolated linearly between its steps. Returns the points unchanged
 * when that curve is empty.
 */
export function withTimes(points: readonly CurvePoint[], timed: readonly CurvePoint[]): CurvePoint[] {
  if (timed.length === 0) return [...points];
  const times = timed.map(({ recorded_at: time }) => Date.parse(time ?? ''));
  let at = 0;
  return points.map((point) => {
    while (at < timed.length - 1 && timed[at + 1]!.step <= point.step) at++;
    const [before, after] = [timed[at]!, timed[at + 1]];
    const share = after === undefined ? 0 : (point.step - before.step) / (after.step - before.step);
    const time = times[at]! + Math.max(0, share) * ((times[at + 1] ?? 0) - times[at]!);
    return { ...point, recorded_at: new Date(share === 0 ? times[at]! : time).toISOString() };
  });
}
