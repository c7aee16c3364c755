import type { CurvePoint } from './point.ts';

/** `bad_batch`: the loss of the step is finite, that of a batch of it is not. */
export type MarkerKind = 'nan' | 'pos_inf' | 'neg_inf' | 'bad_batch' | 'spike';

/** Something in a curve that should catch the eye. */
export interface Marker {
  kind: MarkerKind;
  /** The index of its point. */
  index: number;
  /** The height that it is drawn at; null when the curve has no finite loss at all. */
  loss: number | null;
}

/**
 * Where to mark what a line cannot show. A loss that is not finite has no height: it stands at that of the last finite
 * loss before it, or else of the first one after it. A spike stands where it is.
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
