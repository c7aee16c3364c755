import { FLOOR_F64, constantF64, exp2, expm1Two } from './exp-f64';
import { highPair, lowPair } from './pairs';
import { load1 } from './storage';

/** In memory, as the constants of exp are. */
const ONE = memory.data<f64>([1.0]);
const TWO = memory.data<f64>([2.0]);
const FLOOR = memory.data<f64>([FLOOR_F64]);
const SIGN = memory.data<f64>([-0.0]);

/**
 * x = cap·tanh(scale·logit / cap) of n elements, in float64, where the rounding of x does not show in lse.
 * @param cap 0 for none: x = scale·logit
 * @param out f64, an entry per element
 */
export function transform<T>(logits: usize, n: u32, scale: f64, cap: f64, out: usize): void {
  if (cap == 0) scaled<T>(logits, n, scale, out);
  else capped<T>(logits, n, scale, cap, out);
}

// @ts-expect-error: decorator
@inline
function scaled<T>(p: usize, n: u32, scale: f64, out: usize): void {
  const scale2 = f64x2.splat(scale);
  const end = p + <usize>(n & ~3) * sizeof<T>();
  for (; p < end; p += 4 * sizeof<T>()) {
    v128.store(out, f64x2.mul(scale2, lowPair<T>(p)));
    v128.store(out, f64x2.mul(scale2, highPair<T>(p)), 16);
    out += 32;
  }
  for (let rest = n & 3; rest > 0; rest--) {
    store<f64>(out, scale * load1<T>(p));
    p += sizeof<T>();
    out += 8;
  }
}

// @ts-expect-error: decorator
@inline
function capped<T>(p: usize, n: u32, scale: f64, cap: f64, out: usize): void {
  const end = p + <usize>(n & ~3) * sizeof<T>();
  for (; p < end; p += 4 * sizeof<T>()) {
    v128.store(out, capTwo(lowPair<T>(p), scale, cap));
    v128.store(out, capTwo(highPair<T>(p), scale, cap), 16);
    out += 32;
  }
  for (let rest = n & 3; rest > 0; rest--) {
    store<f64>(out, f64x2.extract_lane(capTwo(f64x2.splat(load1<T>(p)), scale, cap), 0));
    p += sizeof<T>();
    out += 8;
  }
}

/**
 * cap·tanh(u) with u = scale·logit / cap, where tanh |u| = −q / (2 + q) with q = exp(−2·|u|) − 1: its relative accuracy
 * is that of q, also where u is small. An infinite u has q = −1 and so ±cap, NaN stays.
 */
// @ts-expect-error: decorator
@inline
function capTwo(logits: v128, scale: f64, cap: f64): v128 {
  const u = f64x2.div(f64x2.mul(f64x2.splat(scale), logits), f64x2.splat(cap));
  const q = expm1Two(minusTwice(u), constantF64(0), constantF64(1), constantF64(2), constantF64(3));
  const tanh = f64x2.div(f64x2.abs(q), f64x2.add(v128.load64_splat(TWO), q));
  return v128.or(f64x2.mul(f64x2.splat(cap), tanh), v128.and(u, v128.load64_splat(SIGN)));
}

/** −2·|u|, down to where its exponential is nothing beside 1. */
// @ts-expect-error: decorator
@inline
function minusTwice(u: v128): v128 {
  const twice = f64x2.add(u, u);
  return f64x2.pmax(v128.or(twice, v128.load64_splat(SIGN)), v128.load64_splat(FLOOR));
}

/**
 * The chain rule: from a gradient with respect to x to that with respect to the logits, in place. dx / dlogit is
 * scale·(1 − tanh²), and 1 − tanh² = 4e / (1 + e)² with e = exp(−2·|scale·logit / cap|), in which nothing cancels.
 * @param g f64, an entry per element
 */
export function chain<T>(logits: usize, n: u32, scale: f64, cap: f64, g: usize): void {
  const scale2 = f64x2.splat(scale);
  const end = logits + <usize>(n & ~3) * sizeof<T>();
  for (; logits < end; logits += 4 * sizeof<T>()) {
    const slope0 = cap == 0 ? scale2 : slopeTwo(lowPair<T>(logits), scale, cap);
    const slope1 = cap == 0 ? scale2 : slopeTwo(highPair<T>(logits), scale, cap);
    v128.store(g, f64x2.mul(v128.load(g), slope0));
    v128.store(g, f64x2.mul(v128.load(g, 16), slope1), 16);
    g += 32;
  }
  for (let rest = n & 3; rest > 0; rest--) {
    const slope = cap == 0 ? scale2 : slopeTwo(f64x2.splat(load1<T>(logits)), scale, cap);
    store<f64>(g, load<f64>(g) * f64x2.extract_lane(slope, 0));
    logits += sizeof<T>();
    g += 8;
  }
}

/** scale·(1 − tanh² u); an infinite u has 0, for NaN g is NaN. */
// @ts-expect-error: decorator
@inline
function slopeTwo(logits: v128, scale: f64, cap: f64): v128 {
  const d = minusTwice(f64x2.div(f64x2.mul(f64x2.splat(scale), logits), f64x2.splat(cap)));
  const kept = f64x2.gt(d, v128.load64_splat(FLOOR));
  const e = v128.and(exp2(d, constantF64(0), constantF64(1), constantF64(2), constantF64(3)), kept);
  const sum = f64x2.add(v128.load64_splat(ONE), e);
  const twice = f64x2.add(e, e);
  const slope = f64x2.div(f64x2.add(twice, twice), f64x2.mul(sum, sum));
  return f64x2.mul(f64x2.splat(scale), slope);
}
