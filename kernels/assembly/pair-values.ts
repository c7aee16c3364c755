/** Values of one class of the rows in PAIR. */
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

/**
 * True when the offsets of both rows are so similar that the shift, as a sum of two numbers in the type of the terms,
 * keeps the digits of the log ratio.
 */
// @ts-expect-error: decorator
@inline
export function isNearShift<T>(): bool {
  return abs(PAIR.shift) < (sizeof<T>() == 8 ? GREATEST_F64 : GREATEST_F32);
}

const GREATEST_F64: f64 = 2 ** 50;
const GREATEST_F32: f64 = 2 ** 20;

/** d = log(q/p) at a class of finite logits; infinite where d is beyond float64. */
export function ratioAt(x: f64, y: f64): f64 {
  const t = y - x;
  if (!isFinite(t) || !isNearShift<f64>()) return 8 * PAIR.scale * eighthAt(x, y) - PAIR.logs;
  return PAIR.scale * (t - PAIR.shift + (errorOfDifferenceOne(t, y, x) - PAIR.shiftLow));
}

/** (d + logs) / (8·scale), in which no difference of float64 overflows. Only subnormal logits lose digits. */
export function eighthAt(x: f64, y: f64): f64 {
  const t = y / 8 - x / 8;
  return t - PAIR.eighth + (errorOfDifferenceOne(t, y / 8, x / 8) - PAIR.eighthLow);
}

/** mass·d, also where d overflows float64 but the product does not; 0 for a mass of 0. */
export function productAt(mass: f64, x: f64, y: f64): f64 {
  if (mass == 0) return 0;
  const d = ratioAt(x, y);
  // `logs` is negligible beside an infinite d.
  return isFinite(d) ? mass * d : mass * eighthAt(x, y) * (8 * PAIR.scale);
}
