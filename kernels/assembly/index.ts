/**
 * The kernels' exports: `<dtype>_<function>`. Addresses are bytes in the exported memory; blocks of rows start on any
 * address. See ../NAMING.md.
 */
import { bfloat16, float16 } from './storage';
import { entropy } from './entropy';
import { forward } from './forward';
import { countSubnormals, countValue, findNonFinite } from './find';
import { gradient } from './gradient';
import { narrowTo } from './narrow';
import { norms } from './norm';
import { sumOf } from './compensated';
import { crossEntropy, probabilities } from './probabilities';
import { rank, rankOf } from './rank';
import { survey } from './survey';
import { softmaxMoments } from './softmax-moments';
import { chain, transform } from './transform';
import { uniform } from './uniform';

export function f32_forward(logits: usize, rows: u32, classes: u32, stride: u32, targets: usize, out: usize): void {
  forward<f32>(logits, rows, classes, stride, targets, out);
}
export function f16_forward(logits: usize, rows: u32, classes: u32, stride: u32, targets: usize, out: usize): void {
  forward<float16>(logits, rows, classes, stride, targets, out);
}
export function bf16_forward(logits: usize, rows: u32, classes: u32, stride: u32, targets: usize, out: usize): void {
  forward<bfloat16>(logits, rows, classes, stride, targets, out);
}
export function f64_forward(logits: usize, rows: u32, classes: u32, stride: u32, targets: usize, out: usize): void {
  forward<f64>(logits, rows, classes, stride, targets, out);
}

export function f32_gradient(
  logits: usize, rows: u32, classes: u32, targets: usize, out: usize, coefficients: usize, weights: usize,
  unit: f64, relativeWeight: f64, p: usize, masses: usize, g: usize, scales: usize,
): void {
  gradient<f32>(
    logits, rows, classes, targets, out, coefficients, weights, unit, relativeWeight, p, masses, g, scales,
  );
}
export function f16_gradient(
  logits: usize, rows: u32, classes: u32, targets: usize, out: usize, coefficients: usize, weights: usize,
  unit: f64, relativeWeight: f64, p: usize, masses: usize, g: usize, scales: usize,
): void {
  gradient<float16>(
    logits, rows, classes, targets, out, coefficients, weights, unit, relativeWeight, p, masses, g, scales,
  );
}
export function bf16_gradient(
  logits: usize, rows: u32, classes: u32, targets: usize, out: usize, coefficients: usize, weights: usize,
  unit: f64, relativeWeight: f64, p: usize, masses: usize, g: usize, scales: usize,
): void {
  gradient<bfloat16>(
    logits, rows, classes, targets, out, coefficients, weights, unit, relativeWeight, p, masses, g, scales,
  );
}
export function f64_gradient(
  logits: usize, rows: u32, classes: u32, targets: usize, out: usize, coefficients: usize, weights: usize,
  unit: f64, relativeWeight: f64, p: usize, masses: usize, g: usize, scales: usize,
): void {
  gradient<f64>(
    logits, rows, classes, targets, out, coefficients, weights, unit, relativeWeight, p, masses, g, scales,
  );
}

export function f32_norms(g: usize, rows: u32, classes: u32, scales: usize, out: usize): void {
  norms<f32>(g, rows, classes, scales, out);
}
export function f64_norms(g: usize, rows: u32, classes: u32, scales: usize, out: usize): void {
  norms<f64>(g, rows, classes, scales, out);
}

export function f32_narrow(p: usize, n: u32, scale: f64, target: i32, out: usize): void {
  narrowTo<f32>(p, n, scale, target, out);
}
export function f64_narrow(p: usize, n: u32, scale: f64, target: i32, out: usize): void {
  narrowTo<f64>(p, n, scale, target, out);
}

export function f64_sum(p: usize, n: u32, unit: f64): f64 {
  return sumOf(p, n, unit);
}

export function f32_find(row: usize, from: u32, classes: u32, kinds: u32): i32 {
  return findNonFinite<f32>(row, from, classes, kinds);
}
export function f16_find(row: usize, from: u32, classes: u32, kinds: u32): i32 {
  return findNonFinite<float16>(row, from, classes, kinds);
}
export function bf16_find(row: usize, from: u32, classes: u32, kinds: u32): i32 {
  return findNonFinite<bfloat16>(row, from, classes, kinds);
}
export function f64_find(row: usize, from: u32, classes: u32, kinds: u32): i32 {
  return findNonFinite<f64>(row, from, classes, kinds);
}

export function f32_rank(logits: usize, rows: u32, classes: u32, targets: usize, out: usize): void {
  rank<f32>(logits, rows, classes, targets, out);
}
export function f16_rank(logits: usize, rows: u32, classes: u32, targets: usize, out: usize): void {
  rank<float16>(logits, rows, classes, targets, out);
}
export function bf16_rank(logits: usize, rows: u32, classes: u32, targets: usize, out: usize): void {
  rank<bfloat16>(logits, rows, classes, targets, out);
}
export function f64_rank(logits: usize, rows: u32, classes: u32, targets: usize, out: usize): void {
  rank<f64>(logits, rows, classes, targets, out);
}

export function f32_uniform(
  logits: usize, rows: u32, classes: u32, results: usize, weights: usize, unit: f64, relativeWeight: f64, out: usize,
): void {
  uniform<f32>(logits, rows, classes, results, weights, unit, relativeWeight, out);
}
export function f16_uniform(
  logits: usize, rows: u32, classes: u32, results: usize, weights: usize, unit: f64, relativeWeight: f64, out: usize,
): void {
  uniform<float16>(logits, rows, classes, results, weights, unit, relativeWeight, out);
}
export function bf16_uniform(
  logits: usize, rows: u32, classes: u32, results: usize, weights: usize, unit: f64, relativeWeight: f64, out: usize,
): void {
  uniform<bfloat16>(logits, rows, classes, results, weights, unit, relativeWeight, out);
}
export function f64_uniform(
  logits: usize, rows: u32, classes: u32, results: usize, weights: usize, unit: f64, relativeWeight: f64, out: usize,
): void {
  uniform<f64>(logits, rows, classes, results, weights, unit, relativeWeight, out);
}

export function f32_entropy(logits: usize, rows: u32, classes: u32, lse: usize, out: usize): void {
  entropy<f32>(logits, rows, classes, lse, out);
}
export function f16_entropy(logits: usize, rows: u32, classes: u32, lse: usize, out: usize): void {
  entropy<float16>(logits, rows, classes, lse, out);
}
export function bf16_entropy(logits: usize, rows: u32, classes: u32, lse: usize, out: usize): void {
  entropy<bfloat16>(logits, rows, classes, lse, out);
}
export function f64_entropy(logits: usize, rows: u32, classes: u32, lse: usize, out: usize): void {
  entropy<f64>(logits, rows, classes, lse, out);
}

export function f32_probabilities(
  p: usize, rows: u32, classes: u32, targets: usize, weights: usize, read: usize, out: usize,
): void {
  probabilities<f32>(p, rows, classes, targets, weights, read, out);
}
export function f16_probabilities(
  p: usize, rows: u32, classes: u32, targets: usize, weights: usize, read: usize, out: usize,
): void {
  probabilities<float16>(p, rows, classes, targets, weights, read, out);
}
export function bf16_probabilities(
  p: usize, rows: u32, classes: u32, targets: usize, weights: usize, read: usize, out: usize,
): void {
  probabilities<bfloat16>(p, rows, classes, targets, weights, read, out);
}
export function f64_probabilities(
  p: usize, rows: u32, classes: u32, targets: usize, weights: usize, read: usize, out: usize,
): void {
  probabilities<f64>(p, rows, classes, targets, weights, read, out);
}

export function f32_cross_entropy(
  logits: usize, rows: u32, classes: u32, targets: usize, results: usize, read: usize, weights: usize,
  out: usize,
): void {
  crossEntropy<f32>(logits, rows, classes, targets, results, read, weights, out);
}
export function f16_cross_entropy(
  logits: usize, rows: u32, classes: u32, targets: usize, results: usize, read: usize, weights: usize,
  out: usize,
): void {
  crossEntropy<float16>(logits, rows, classes, targets, results, read, weights, out);
}
export function bf16_cross_entropy(
  logits: usize, rows: u32, classes: u32, targets: usize, results: usize, read: usize, weights: usize,
  out: usize,
): void {
  crossEntropy<bfloat16>(logits, rows, classes, targets, results, read, weights, out);
}
export function f64_cross_entropy(
  logits: usize, rows: u32, classes: u32, targets: usize, results: usize, read: usize, weights: usize,
  out: usize,
): void {
  crossEntropy<f64>(logits, rows, classes, targets, results, read, weights, out);
}

export function f32_transform(logits: usize, n: u32, scale: f64, cap: f64, out: usize): void {
  transform<f32>(logits, n, scale, cap, out);
}
export function f16_transform(logits: usize, n: u32, scale: f64, cap: f64, out: usize): void {
  transform<float16>(logits, n, scale, cap, out);
}
export function bf16_transform(logits: usize, n: u32, scale: f64, cap: f64, out: usize): void {
  transform<bfloat16>(logits, n, scale, cap, out);
}
export function f64_transform(logits: usize, n: u32, scale: f64, cap: f64, out: usize): void {
  transform<f64>(logits, n, scale, cap, out);
}

export function f32_chain(logits: usize, n: u32, scale: f64, cap: f64, g: usize): void {
  chain<f32>(logits, n, scale, cap, g);
}
export function f16_chain(logits: usize, n: u32, scale: f64, cap: f64, g: usize): void {
  chain<float16>(logits, n, scale, cap, g);
}
export function bf16_chain(logits: usize, n: u32, scale: f64, cap: f64, g: usize): void {
  chain<bfloat16>(logits, n, scale, cap, g);
}
export function f64_chain(logits: usize, n: u32, scale: f64, cap: f64, g: usize): void {
  chain<f64>(logits, n, scale, cap, g);
}

export function f32_softmax_moments(
  logits: usize, rows: u32, classes: u32, targets: usize, results: usize, weights: usize, out: usize,
): void {
  softmaxMoments<f32>(logits, rows, classes, targets, results, weights, out);
}
export function f16_softmax_moments(
  logits: usize, rows: u32, classes: u32, targets: usize, results: usize, weights: usize, out: usize,
): void {
  softmaxMoments<float16>(logits, rows, classes, targets, results, weights, out);
}
export function bf16_softmax_moments(
  logits: usize, rows: u32, classes: u32, targets: usize, results: usize, weights: usize, out: usize,
): void {
  softmaxMoments<bfloat16>(logits, rows, classes, targets, results, weights, out);
}
export function f64_softmax_moments(
  logits: usize, rows: u32, classes: u32, targets: usize, results: usize, weights: usize, out: usize,
): void {
  softmaxMoments<f64>(logits, rows, classes, targets, results, weights, out);
}

/** Address at which free memory begins. */
export function heap_base(): usize {
  return __heap_base;
}

/** True when the relaxed multiply-add rounds once: then (1 + 2^-12)² − (1 + 2^-11) is 2^-24, otherwise 0. */
export function multiply_add_is_fused(): bool {
  if (!ASC_FEATURE_RELAXED_SIMD) return false;
  const a = f32x4.splat(1.000244140625);
  const c = f32x4.splat(-1.00048828125);
  return f32x4.extract_lane(f32x4.relaxed_madd(v128.load(storeOnce(a)), a, c), 0) != 0;
}

const SCRATCH = memory.data(16, 16);

/** Stores a factor in memory, so that the compiler cannot fold the product. */
function storeOnce(v: v128): usize {
  v128.store(SCRATCH, v);
  return SCRATCH;
}

export function f32_survey(
  block: usize, rows: u32, classes: u32, targets: usize, histogram: usize, out: usize,
): void {
  survey<f32>(block, rows, classes, targets, histogram, out);
}

export function f16_survey(
  block: usize, rows: u32, classes: u32, targets: usize, histogram: usize, out: usize,
): void {
  survey<float16>(block, rows, classes, targets, histogram, out);
}

export function bf16_survey(
  block: usize, rows: u32, classes: u32, targets: usize, histogram: usize, out: usize,
): void {
  survey<bfloat16>(block, rows, classes, targets, histogram, out);
}

export function f64_survey(
  block: usize, rows: u32, classes: u32, targets: usize, histogram: usize, out: usize,
): void {
  survey<f64>(block, rows, classes, targets, histogram, out);
}

export function f32_count(p: usize, n: u32, value: f64): u32 {
  return countValue<f32>(p, n, value);
}

export function f16_count(p: usize, n: u32, value: f64): u32 {
  return countValue<float16>(p, n, value);
}

export function bf16_count(p: usize, n: u32, value: f64): u32 {
  return countValue<bfloat16>(p, n, value);
}

export function f64_count(p: usize, n: u32, value: f64): u32 {
  return countValue<f64>(p, n, value);
}

export function f16_subnormals(p: usize, n: u32): u32 {
  return countSubnormals(p, n);
}

export function f32_rank_of(p: usize, classes: u32, target: i32): i32 {
  return rankOf<f32>(p, classes, target);
}

export function f16_rank_of(p: usize, classes: u32, target: i32): i32 {
  return rankOf<float16>(p, classes, target);
}

export function bf16_rank_of(p: usize, classes: u32, target: i32): i32 {
  return rankOf<bfloat16>(p, classes, target);
}

export function f64_rank_of(p: usize, classes: u32, target: i32): i32 {
  return rankOf<f64>(p, classes, target);
}
