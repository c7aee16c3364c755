import type { FloatDType } from '../src/tensor/dtype.ts';

/** First step on logits: x = cap·tanh(scale·logit / cap), or scale·logit without a cap. */
export interface Transform {
  scale: number;
  cap: number | undefined;
}

/** Range of scales, and of scales relative to a cap, in which float32 neither overflows nor underflows. */
const LEAST_SCALE = 1e-25;
const GREATEST_SCALE = 1e25;

/** Range of caps that float32 evaluates: its error grows with the cap. */
const LEAST_CAP = 1e-6;
const GREATEST_CAP = 64;

/**
 * Dtype in which the logits are evaluated: float64 for float64 and for extreme scales and caps, else float32 with a cap
 * and their own dtype without.
 */
export function evaluatedDType(dtype: FloatDType, transform: Transform | undefined): FloatDType {
  if (transform === undefined || dtype === 'float64') return dtype;
  const { scale, cap } = transform;
  if (cap === undefined) return isPlain(scale) ? dtype : 'float64';
  return isPlain(scale) && isPlain(scale / cap) && cap >= LEAST_CAP && cap <= GREATEST_CAP ? 'float32' : 'float64';
}

/**
 * True when the logits are evaluated without a transformed copy. The kernels scale differences of float32 and narrower
 * logits.
 */
export function isInPlace(dtype: FloatDType, transform: Transform | undefined): boolean {
  return transform === undefined || (transform.cap === undefined && evaluatedDType(dtype, transform) !== 'float64');
}

function isPlain(scale: number): boolean {
  return scale >= LEAST_SCALE && scale <= GREATEST_SCALE;
}

/** x of one logit. */
export function transformed(logit: number, { scale, cap }: Transform): number {
  return cap === undefined ? scale * logit : cap * Math.tanh((scale * logit) / cap);
}
