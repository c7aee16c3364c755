import { wordsOfCause } from '../format/causes.ts';
import { formatCount, formatLoss, plural } from '../format/numbers.ts';
import type { Curve } from '../series/curve.ts';
import type { CurvePoint } from '../series/point.ts';

/** Describes a curve for screen readers. @param what name of its values: `loss`, or a scalar */
export function describeCurve({ name, points, markers, isLoaded }: Curve, what: string): string {
  if (!isLoaded) return `${name}: not loaded yet.`;
  const finite = points.filter(({ loss }) => Number.isFinite(loss));
  if (finite.length === 0) return `${name}: no finite ${what} yet.`;
  const lowest = finite.reduce((best, point) => (point.loss < best.loss ? point : best));
  const spikes = markers.filter(({ kind }) => kind === 'spike').length;
  const [first, last] = [finite[0]!, finite.at(-1)!];
  return (
    `${name}: ${what} ${formatLoss(first.loss)} at step ${first.step} to ${formatLoss(last.loss)} at step ${last.step}, ` +
    `lowest ${formatLoss(lowest.loss)} at step ${lowest.step}; ` +
    `${plural(markers.length - spikes, 'step')} not finite, ${plural(spikes, 'spike')}.`
  );
}

export function describePoint({ step, loss, spike, causes = [] }: CurvePoint, what: string): string {
  const notes = [...causes.map(wordsOfCause), ...(spike ? ['spike'] : [])];
  return [`step ${formatCount(step)}, ${what} ${formatLoss(loss)}`, ...notes].join(', ');
}
