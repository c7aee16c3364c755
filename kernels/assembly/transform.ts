import { FLOOR_F64, constantF64, exp2, expm1Two } from './exp-f64';
import { highPair, lowPair } from './pairs';
import { load1 } from './storage';

/** Constants in memory, like those of exp. */
const ONE = memory.data<f64>([1.0]);
const TWO = memory.data<f64>([2.0]);
const FLOOR = memory.data<f64>([FLOOR_F64]);
const SIGN = memory.data<f64>([-0.0]);

/**
 * x = cap·tanh(scale·logit / cap) of n elements, in float64, so that the rounding of x is negligible in lse.
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
    store<f64>(out, capOne(load1<T>(p), scale, cap));
    p += sizeof<T>();
    out += 8;
  }
}

/**
 * cap·tanh(u) with u = scale·logit / cap and tanh |u| = −q / (2 + q), q = exp(−2·|u|) − 1. Its relative accuracy is
 * that of q, also for small u. An infinite u gives q = −1 and so ±cap; NaN stays NaN.
 */
// @ts-expect-error: decorator
@inline
function capTwo(logits: v128, scale: f64, cap: f64): v128 {
  const u = f64x2.div(f64x2.mul(f64x2.splat(scale), logits), f64x2.splat(cap));
  const q = expm1Two(minusAbs(f64x2.add(u, u)), constantF64(0), constantF64(1), constantF64(2), constantF64(3));
  const tanh = f64x2.div(f64x2.abs(q), f64x2.add(v128.load64_splat(TWO), q));
  return v128.or(f64x2.mul(f64x2.splat(cap), tanh), v128.and(u, v128.load64_splat(SIGN)));
}

/** x = cap·tanh(scale·logit / cap) of one logit. */
export function capOne(logit: f64, scale: f64, cap: f64): f64 {
  return f64x2.extract_lane(capTwo(f64x2.splat(logit), scale, cap), 0);
}

/** −|d|, clamped where its exponential is negligible beside 1. */
// @ts-expect-error: decorator
@inline
function minusAbs(d: v128): v128 {
  return f64x2.pmax(v128.or(d, v128.load64_splat(SIGN)), v128.load64_splat(FLOOR));
}

/**
 * Chain rule: converts a gradient with respect to x to the gradient with respect to the logits, in place. dx / dlogit
 * is scale·(1 − tanh²) = scale·sech². Two products with sech keep the result for a large g where sech² underflows.
 * @param g f64, an entry per element
 */
export function chain<T>(logits: usize, n: u32, scale: f64, cap: f64, g: usize): void {
  const end = logits + <usize>(n & ~3) * sizeof<T>();
  for (; logits < end; logits += 4 * sizeof<T>()) {
    v128.store(g, chainTwo(v128.load(g), lowPair<T>(logits), scale, cap));
    v128.store(g, chainTwo(v128.load(g, 16), highPair<T>(logits), scale, cap), 16);
    g += 32;
  }
  for (let rest = n & 3; rest > 0; rest--) {
    store<f64>(g, f64x2.extract_lane(chainTwo(f64x2.splat(load<f64>(g)), f64x2.splat(load1<T>(logits)), scale, cap), 0));
    logits += sizeof<T>();
    g += 8;
  }
}

// @ts-expect-error: decorator
@inline
function chainTwo(g: v128, logits: v128, scale: f64, cap: f64): v128 {
  const scale2 = f64x2.splat(scale);
  if (cap == 0) return f64x2.mul(g, scale2);
  const sech = sechTwo(f64x2.div(f64x2.mul(scale2, logits), f64x2.splat(cap)));
  return f64x2.mul(f64x2.mul(g, sech), f64x2.mul(scale2, sech));
}

/** sech u = 2e / (1 + e²) with e = exp(−|u|), which does not cancel; 0 for an infinite u. For a NaN logit, g is NaN. */
// @ts-expect-error: decorator
@inline
function sechTwo(u: v128): v128 {
  const d = minusAbs(u);
  const kept = f64x2.gt(d, v128.load64_splat(FLOOR));
  const e = v128.and(exp2(d, constantF64(0), constantF64(1), constantF64(2), constantF64(3)), kept);
  return f64x2.div(f64x2.add(e, e), f64x2.add(v128.load64_splat(ONE), f64x2.mul(e, e)));
}
