/**
 * The kernels' exports: `<dtype>_<function>`. Addresses are bytes in the exported memory; blocks of rows start on any
 * address. See ../NAMING.md.
 */
import { bfloat16, float16 } from './storage';
import { entropy } from './entropy';
import { forward } from './forward';
import { findNonFinite } from './find';
import { rank } from './rank';
import { transform } from './transform';
import { weightedSum } from './weighted-sum';

export function f32_forward(logits: usize, rows: u32, classes: u32, targets: usize, out: usize): void {
  forward<f32>(logits, rows, classes, targets, out);
}
export function f16_forward(logits: usize, rows: u32, classes: u32, targets: usize, out: usize): void {
  forward<float16>(logits, rows, classes, targets, out);
}
export function bf16_forward(logits: usize, rows: u32, classes: u32, targets: usize, out: usize): void {
  forward<bfloat16>(logits, rows, classes, targets, out);
}
export function f64_forward(logits: usize, rows: u32, classes: u32, targets: usize, out: usize): void {
  forward<f64>(logits, rows, classes, targets, out);
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

export function f32_weighted_sum(logits: usize, rows: u32, classes: u32, weights: usize, out: usize): void {
  weightedSum<f32>(logits, rows, classes, weights, out);
}
export function f16_weighted_sum(logits: usize, rows: u32, classes: u32, weights: usize, out: usize): void {
  weightedSum<float16>(logits, rows, classes, weights, out);
}
export function bf16_weighted_sum(logits: usize, rows: u32, classes: u32, weights: usize, out: usize): void {
  weightedSum<bfloat16>(logits, rows, classes, weights, out);
}
export function f64_weighted_sum(logits: usize, rows: u32, classes: u32, weights: usize, out: usize): void {
  weightedSum<f64>(logits, rows, classes, weights, out);
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

/** Where free memory begins. */
export function heap_base(): usize {
  return __heap_base;
}

/** Whether this machine's relaxed multiply-add rounds once: (1 + 2^-12)² − (1 + 2^-11) is 2^-24 then, else 0. */
export function multiply_add_is_fused(): bool {
  if (!ASC_FEATURE_RELAXED_SIMD) return false;
  const a = f32x4.splat(1.000244140625);
  const c = f32x4.splat(-1.00048828125);
  return f32x4.extract_lane(f32x4.relaxed_madd(v128.load(storeOnce(a)), a, c), 0) != 0;
}

const SCRATCH = memory.data(16, 16);

/** Through memory, so that the compiler does not fold the product. */
function storeOnce(v: v128): usize {
  v128.store(SCRATCH, v);
  return SCRATCH;
}
