import type { ScalarPoint } from '../api/types.ts';
import type { CurvePoint } from '../series/point.ts';

/** Converts a point of a scalar. It is drawn in the same way as a loss. */
export function toCurvePoint({ value, min, max, ...point }: ScalarPoint): CurvePoint {
  return { ...point, loss: value, ...(min !== undefined && max !== undefined && { rank_losses: { min, max } }) };
}
