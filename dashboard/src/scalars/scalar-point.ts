import type { ScalarPoint } from '../api/types.ts';
import type { CurvePoint } from '../series/point.ts';

/** A scalar is drawn as the loss is. */
export function toCurvePoint({ value, min, max, ...point }: ScalarPoint): CurvePoint {
  return { ...point, loss: value, ...(min !== undefined && max !== undefined && { rank_losses: { min, max } }) };
}
