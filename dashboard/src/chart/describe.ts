import type { StepPoint } from '../api/types.ts';
import { wordsOfCause } from '../format/causes.ts';
import { formatCount, formatLoss, plural } from '../format/numbers.ts';
import type { Curve } from '../series/curve.ts';

/** Describes a curve for those who do not see it. @param isLoaded true when it is that of the whole run */
export function describeCurve({ run, points, markers }: Curve, isLoaded: boolean): string {
  if (!isLoaded) return `${run}: not loaded yet.`;
  const finite = points.filter(({ loss }) => Number.isFinite(loss));
  if (finite.length === 0) return `${run}: no finite loss yet.`;
  const lowest = finite.reduce((best, point) => (point.loss < best.loss ? point : best));
  const spikes = markers.filter(({ kind }) => kind === 'spike').length;
  const [first, last] = [finite[0]!, finite.at(-1)!];
  return (
    `${run}: loss ${formatLoss(first.loss)} at step ${first.step} to ${formatLoss(last.loss)} at step ${last.step}, ` +
    `lowest ${formatLoss(lowest.loss)} at step ${lowest.step}; ` +
    `${plural(markers.length - spikes, 'step')} not finite, ${plural(spikes, 'spike')}.`
  );
}

export function describePoint({ step, loss, spike, causes = [] }: StepPoint): string {
  const notes = [...causes.map(wordsOfCause), ...(spike ? ['spike'] : [])];
  return [`step ${formatCount(step)}, loss ${formatLoss(loss)}`, ...notes].join(', ');
}
