/** Values of a class of the pair of rows that PAIR has. */
import { PAIR } from './divergence-sums';
import { errorOfDifferenceOne } from './log-ratio';

/** Exponential of p at a class. */
// @ts-expect-error: decorator
@inline
export function ofP<T>(c: u32): f64 {
  if (sizeof<T>() == 8) return load<f64>(PAIR.e + (<usize>c << 3));
  return <f64>load<f32>(PAIR.e + (<usize>c << 2));
}

/** Exponential of q at a class, in its own unit. */
// @ts-expect-error: decorator
@inline
export function ofQ<T>(c: u32): f64 {
  if (sizeof<T>() == 8) return load<f64>(PAIR.f + (<usize>c << 3));
  return <f64>load<f32>(PAIR.f + (<usize>c << 2));
}

/** log(q/p) at a class of finite logits. */
export function ratioAt(x: f64, y: f64): f64 {
  const t = y - x;
  // A difference beyond float64 has no rounding error.
  const error = isFinite(t) ? errorOfDifferenceOne(t, y, x) : 0;
  return PAIR.scale * (t - PAIR.shift + (error - PAIR.shiftLow));
}
