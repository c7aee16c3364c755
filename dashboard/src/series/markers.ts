import type { CurvePoint } from './point.ts';

/** `bad_batch`: the loss of the step is finite, but the loss of one of its batches is not. */
export type MarkerKind = 'nan' | 'pos_inf' | 'neg_inf' | 'bad_batch' | 'spike';

/** Mark on a curve at a non-finite loss or a spike. */
export interface Marker {
  kind: MarkerKind;
  /** Index of the point. */
  index: number;
  /** Loss at which the marker is drawn; null when the curve has no finite loss. */
  loss: number | null;
}

/**
 * Places markers at non-finite losses and spikes. A non-finite loss has no height: its marker takes the last finite loss
 * before it, or else the first one after it. The marker of a spike is at its own loss.
 */
export function placeMarkers(points: readonly Pick<CurvePoint, 'loss' | 'spike' | 'non_finite'>[]): Marker[] {
  let height = points.find(({ loss }) => Number.isFinite(loss))?.loss ?? null;
  return points.flatMap(({ loss, spike, non_finite: nonFinite }, index): Marker[] => {
    if (!Number.isFinite(loss)) return [{ kind: kindOf(loss), index, loss: height }];
    height = loss;
    if (nonFinite) return [{ kind: 'bad_batch', index, loss }];
    return spike ? [{ kind: 'spike', index, loss }] : [];
  });
}

function kindOf(loss: number): MarkerKind {
  if (Number.isNaN(loss)) return 'nan';
  return loss > 0 ? 'pos_inf' : 'neg_inf';
}
