// Generated from table.ts by `npm run generate`.

/** The exports, `<dtype>_<kernel>`. ../NAMING.md describes them. */

import { bf16, f16, f8e4m3, f8e5m2 } from './storage';
import { sumOf } from './compensated';
import { divergence } from './divergence';
import { divergenceGradient } from './divergence-gradient';
import { entropy } from './entropy';
import { findNonFinite, countValue, countSubnormals } from './find';
import { forward } from './forward';
import { gradient } from './gradient';
import { keepExponentials } from './keep';
import { narrowTo } from './narrow';
import { norms } from './norm';
import { readProbabilities, crossEntropy } from './probabilities';
import { promote } from './promote';
import { rank, rankOf } from './rank';
import { softcap, softcapChain } from './softcap';
import { softmaxMoments } from './softmax-moments';
import { survey } from './survey';
import { transform, chain } from './transform';
import { truncatedDivergence, truncatedGradient } from './truncated-divergence';
import { uniform } from './uniform';
import { heapBase, multiplyAddIsFused } from './variant';
import { widen } from './widen';

export function f16_forward(
  logits: usize,
  rows: u32,
  classes: u32,
  stride: u32,
  targets: usize,
  scale: f64,
  offsets: usize,
  results: usize,
): void {
  forward<f16>(logits, rows, classes, stride, targets, scale, offsets, results);
}
export function bf16_forward(
  logits: usize,
  rows: u32,
  classes: u32,
  stride: u32,
  targets: usize,
  scale: f64,
  offsets: usize,
  results: usize,
): void {
  forward<bf16>(logits, rows, classes, stride, targets, scale, offsets, results);
}
export function f32_forward(
  logits: usize,
  rows: u32,
  classes: u32,
  stride: u32,
  targets: usize,
  scale: f64,
  offsets: usize,
  results: usize,
): void {
  forward<f32>(logits, rows, classes, stride, targets, scale, offsets, results);
}
export function f64_forward(
  logits: usize,
  rows: u32,
  classes: u32,
  stride: u32,
  targets: usize,
  scale: f64,
  offsets: usize,
  results: usize,
): void {
  forward<f64>(logits, rows, classes, stride, targets, scale, offsets, results);
}

export function f16_gradient(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  offsets: usize,
  results: usize,
  coefficients: usize,
  weights: usize,
  unit: f64,
  relativeWeight: f64,
  probabilities: usize,
  masses: usize,
  gradients: usize,
  scales: usize,
): void {
  gradient<f16>(
    logits,
    rows,
    classes,
    targets,
    scale,
    offsets,
    results,
    coefficients,
    weights,
    unit,
    relativeWeight,
    probabilities,
    masses,
    gradients,
    scales,
  );
}
export function bf16_gradient(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  offsets: usize,
  results: usize,
  coefficients: usize,
  weights: usize,
  unit: f64,
  relativeWeight: f64,
  probabilities: usize,
  masses: usize,
  gradients: usize,
  scales: usize,
): void {
  gradient<bf16>(
    logits,
    rows,
    classes,
    targets,
    scale,
    offsets,
    results,
    coefficients,
    weights,
    unit,
    relativeWeight,
    probabilities,
    masses,
    gradients,
    scales,
  );
}
export function f32_gradient(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  offsets: usize,
  results: usize,
  coefficients: usize,
  weights: usize,
  unit: f64,
  relativeWeight: f64,
  probabilities: usize,
  masses: usize,
  gradients: usize,
  scales: usize,
): void {
  gradient<f32>(
    logits,
    rows,
    classes,
    targets,
    scale,
    offsets,
    results,
    coefficients,
    weights,
    unit,
    relativeWeight,
    probabilities,
    masses,
    gradients,
    scales,
  );
}
export function f64_gradient(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  offsets: usize,
  results: usize,
  coefficients: usize,
  weights: usize,
  unit: f64,
  relativeWeight: f64,
  probabilities: usize,
  masses: usize,
  gradients: usize,
  scales: usize,
): void {
  gradient<f64>(
    logits,
    rows,
    classes,
    targets,
    scale,
    offsets,
    results,
    coefficients,
    weights,
    unit,
    relativeWeight,
    probabilities,
    masses,
    gradients,
    scales,
  );
}

export function f32_norms(gradients: usize, rows: u32, classes: u32, scales: usize, out: usize): void {
  norms<f32>(gradients, rows, classes, scales, out);
}
export function f64_norms(gradients: usize, rows: u32, classes: u32, scales: usize, out: usize): void {
  norms<f64>(gradients, rows, classes, scales, out);
}

export function f32_narrow(gradients: usize, count: u32, factor: f64, to: i32, out: usize): void {
  narrowTo<f32>(gradients, count, factor, to, out);
}
export function f64_narrow(gradients: usize, count: u32, factor: f64, to: i32, out: usize): void {
  narrowTo<f64>(gradients, count, factor, to, out);
}

export function f64_sum(weights: usize, count: u32, unit: f64): f64 {
  return sumOf(weights, count, unit);
}

export function f16_find(row: usize, from: u32, classes: u32, kinds: u32): i32 {
  return findNonFinite<f16>(row, from, classes, kinds);
}
export function bf16_find(row: usize, from: u32, classes: u32, kinds: u32): i32 {
  return findNonFinite<bf16>(row, from, classes, kinds);
}
export function f32_find(row: usize, from: u32, classes: u32, kinds: u32): i32 {
  return findNonFinite<f32>(row, from, classes, kinds);
}
export function f64_find(row: usize, from: u32, classes: u32, kinds: u32): i32 {
  return findNonFinite<f64>(row, from, classes, kinds);
}

export function f16_rank(logits: usize, rows: u32, classes: u32, targets: usize, out: usize): void {
  rank<f16>(logits, rows, classes, targets, out);
}
export function bf16_rank(logits: usize, rows: u32, classes: u32, targets: usize, out: usize): void {
  rank<bf16>(logits, rows, classes, targets, out);
}
export function f32_rank(logits: usize, rows: u32, classes: u32, targets: usize, out: usize): void {
  rank<f32>(logits, rows, classes, targets, out);
}
export function f64_rank(logits: usize, rows: u32, classes: u32, targets: usize, out: usize): void {
  rank<f64>(logits, rows, classes, targets, out);
}

export function f16_uniform(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  offsets: usize,
  results: usize,
  weights: usize,
  unit: f64,
  relativeWeight: f64,
  out: usize,
): void {
  uniform<f16>(logits, rows, classes, targets, scale, offsets, results, weights, unit, relativeWeight, out);
}
export function bf16_uniform(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  offsets: usize,
  results: usize,
  weights: usize,
  unit: f64,
  relativeWeight: f64,
  out: usize,
): void {
  uniform<bf16>(logits, rows, classes, targets, scale, offsets, results, weights, unit, relativeWeight, out);
}
export function f32_uniform(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  offsets: usize,
  results: usize,
  weights: usize,
  unit: f64,
  relativeWeight: f64,
  out: usize,
): void {
  uniform<f32>(logits, rows, classes, targets, scale, offsets, results, weights, unit, relativeWeight, out);
}
export function f64_uniform(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  offsets: usize,
  results: usize,
  weights: usize,
  unit: f64,
  relativeWeight: f64,
  out: usize,
): void {
  uniform<f64>(logits, rows, classes, targets, scale, offsets, results, weights, unit, relativeWeight, out);
}

export function f16_entropy(logits: usize, rows: u32, classes: u32, scale: f64, results: usize, out: usize): void {
  entropy<f16>(logits, rows, classes, scale, results, out);
}
export function bf16_entropy(logits: usize, rows: u32, classes: u32, scale: f64, results: usize, out: usize): void {
  entropy<bf16>(logits, rows, classes, scale, results, out);
}
export function f32_entropy(logits: usize, rows: u32, classes: u32, scale: f64, results: usize, out: usize): void {
  entropy<f32>(logits, rows, classes, scale, results, out);
}
export function f64_entropy(logits: usize, rows: u32, classes: u32, scale: f64, results: usize, out: usize): void {
  entropy<f64>(logits, rows, classes, scale, results, out);
}

export function f16_probabilities(
  received: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  weights: usize,
  probabilities: usize,
  masses: usize,
): void {
  readProbabilities<f16>(received, rows, classes, targets, weights, probabilities, masses);
}
export function bf16_probabilities(
  received: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  weights: usize,
  probabilities: usize,
  masses: usize,
): void {
  readProbabilities<bf16>(received, rows, classes, targets, weights, probabilities, masses);
}
export function f32_probabilities(
  received: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  weights: usize,
  probabilities: usize,
  masses: usize,
): void {
  readProbabilities<f32>(received, rows, classes, targets, weights, probabilities, masses);
}
export function f64_probabilities(
  received: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  weights: usize,
  probabilities: usize,
  masses: usize,
): void {
  readProbabilities<f64>(received, rows, classes, targets, weights, probabilities, masses);
}

export function f16_cross_entropy(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  offsets: usize,
  results: usize,
  probabilities: usize,
  weights: usize,
  out: usize,
): void {
  crossEntropy<f16>(logits, rows, classes, targets, scale, offsets, results, probabilities, weights, out);
}
export function bf16_cross_entropy(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  offsets: usize,
  results: usize,
  probabilities: usize,
  weights: usize,
  out: usize,
): void {
  crossEntropy<bf16>(logits, rows, classes, targets, scale, offsets, results, probabilities, weights, out);
}
export function f32_cross_entropy(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  offsets: usize,
  results: usize,
  probabilities: usize,
  weights: usize,
  out: usize,
): void {
  crossEntropy<f32>(logits, rows, classes, targets, scale, offsets, results, probabilities, weights, out);
}
export function f64_cross_entropy(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  offsets: usize,
  results: usize,
  probabilities: usize,
  weights: usize,
  out: usize,
): void {
  crossEntropy<f64>(logits, rows, classes, targets, scale, offsets, results, probabilities, weights, out);
}

export function f16_transform(logits: usize, count: u32, scale: f64, cap: f64, out: usize): void {
  transform<f16>(logits, count, scale, cap, out);
}
export function bf16_transform(logits: usize, count: u32, scale: f64, cap: f64, out: usize): void {
  transform<bf16>(logits, count, scale, cap, out);
}
export function f32_transform(logits: usize, count: u32, scale: f64, cap: f64, out: usize): void {
  transform<f32>(logits, count, scale, cap, out);
}
export function f64_transform(logits: usize, count: u32, scale: f64, cap: f64, out: usize): void {
  transform<f64>(logits, count, scale, cap, out);
}

export function f16_chain(logits: usize, count: u32, scale: f64, cap: f64, gradients: usize): void {
  chain<f16>(logits, count, scale, cap, gradients);
}
export function bf16_chain(logits: usize, count: u32, scale: f64, cap: f64, gradients: usize): void {
  chain<bf16>(logits, count, scale, cap, gradients);
}
export function f32_chain(logits: usize, count: u32, scale: f64, cap: f64, gradients: usize): void {
  chain<f32>(logits, count, scale, cap, gradients);
}
export function f64_chain(logits: usize, count: u32, scale: f64, cap: f64, gradients: usize): void {
  chain<f64>(logits, count, scale, cap, gradients);
}

export function f16_softcap(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  cap: f64,
  offsets: usize,
  given: usize,
  out: usize,
): void {
  softcap<f16>(logits, rows, classes, targets, scale, cap, offsets, given, out);
}
export function bf16_softcap(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  cap: f64,
  offsets: usize,
  given: usize,
  out: usize,
): void {
  softcap<bf16>(logits, rows, classes, targets, scale, cap, offsets, given, out);
}
export function f32_softcap(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  cap: f64,
  offsets: usize,
  given: usize,
  out: usize,
): void {
  softcap<f32>(logits, rows, classes, targets, scale, cap, offsets, given, out);
}

export function f16_softcap_chain(logits: usize, count: u32, scale: f64, cap: f64, gradients: usize): void {
  softcapChain<f16>(logits, count, scale, cap, gradients);
}
export function bf16_softcap_chain(logits: usize, count: u32, scale: f64, cap: f64, gradients: usize): void {
  softcapChain<bf16>(logits, count, scale, cap, gradients);
}
export function f32_softcap_chain(logits: usize, count: u32, scale: f64, cap: f64, gradients: usize): void {
  softcapChain<f32>(logits, count, scale, cap, gradients);
}

export function f16_softmax_moments(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  results: usize,
  weights: usize,
  out: usize,
): void {
  softmaxMoments<f16>(logits, rows, classes, targets, scale, results, weights, out);
}
export function bf16_softmax_moments(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  results: usize,
  weights: usize,
  out: usize,
): void {
  softmaxMoments<bf16>(logits, rows, classes, targets, scale, results, weights, out);
}
export function f32_softmax_moments(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  results: usize,
  weights: usize,
  out: usize,
): void {
  softmaxMoments<f32>(logits, rows, classes, targets, scale, results, weights, out);
}
export function f64_softmax_moments(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  results: usize,
  weights: usize,
  out: usize,
): void {
  softmaxMoments<f64>(logits, rows, classes, targets, scale, results, weights, out);
}

export function heap_base(): usize {
  return heapBase();
}

export function multiply_add_is_fused(): bool {
  return multiplyAddIsFused();
}

export function f16_survey(logits: usize, rows: u32, classes: u32, targets: usize, histogram: usize, out: usize): void {
  survey<f16>(logits, rows, classes, targets, histogram, out);
}
export function bf16_survey(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  histogram: usize,
  out: usize,
): void {
  survey<bf16>(logits, rows, classes, targets, histogram, out);
}
export function f32_survey(logits: usize, rows: u32, classes: u32, targets: usize, histogram: usize, out: usize): void {
  survey<f32>(logits, rows, classes, targets, histogram, out);
}
export function f64_survey(logits: usize, rows: u32, classes: u32, targets: usize, histogram: usize, out: usize): void {
  survey<f64>(logits, rows, classes, targets, histogram, out);
}

export function f16_count(row: usize, count: u32, value: f64): u32 {
  return countValue<f16>(row, count, value);
}
export function bf16_count(row: usize, count: u32, value: f64): u32 {
  return countValue<bf16>(row, count, value);
}
export function f32_count(row: usize, count: u32, value: f64): u32 {
  return countValue<f32>(row, count, value);
}
export function f64_count(row: usize, count: u32, value: f64): u32 {
  return countValue<f64>(row, count, value);
}

export function f16_subnormals(row: usize, count: u32, leastNormal: u32): u32 {
  return countSubnormals(row, count, leastNormal);
}
export function bf16_subnormals(row: usize, count: u32, leastNormal: u32): u32 {
  return countSubnormals(row, count, leastNormal);
}

export function f16_rank_of(row: usize, classes: u32, target: i32): i32 {
  return rankOf<f16>(row, classes, target);
}
export function bf16_rank_of(row: usize, classes: u32, target: i32): i32 {
  return rankOf<bf16>(row, classes, target);
}
export function f32_rank_of(row: usize, classes: u32, target: i32): i32 {
  return rankOf<f32>(row, classes, target);
}
export function f64_rank_of(row: usize, classes: u32, target: i32): i32 {
  return rankOf<f64>(row, classes, target);
}

export function f8e4m3_widen(elements: usize, count: u32, out: usize): void {
  widen<f8e4m3>(elements, count, out);
}
export function f8e5m2_widen(elements: usize, count: u32, out: usize): void {
  widen<f8e5m2>(elements, count, out);
}

export function f16_promote(elements: usize, count: u32, out: usize): void {
  promote<f16>(elements, count, out);
}
export function bf16_promote(elements: usize, count: u32, out: usize): void {
  promote<bf16>(elements, count, out);
}

export function f16_keep(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  results: usize,
  first: u32,
  end: u32,
  exponentials: usize,
  origins: usize,
): void {
  keepExponentials<f16>(logits, rows, classes, targets, scale, results, first, end, exponentials, origins);
}
export function bf16_keep(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  results: usize,
  first: u32,
  end: u32,
  exponentials: usize,
  origins: usize,
): void {
  keepExponentials<bf16>(logits, rows, classes, targets, scale, results, first, end, exponentials, origins);
}
export function f32_keep(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  results: usize,
  first: u32,
  end: u32,
  exponentials: usize,
  origins: usize,
): void {
  keepExponentials<f32>(logits, rows, classes, targets, scale, results, first, end, exponentials, origins);
}
export function f64_keep(
  logits: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  results: usize,
  first: u32,
  end: u32,
  exponentials: usize,
  origins: usize,
): void {
  keepExponentials<f64>(logits, rows, classes, targets, scale, results, first, end, exponentials, origins);
}

export function f16_divergence(
  p: usize,
  q: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  pResults: usize,
  qResults: usize,
  first: u32,
  end: u32,
  pExponentials: usize,
  qExponentials: usize,
  pOrigins: usize,
  qOrigins: usize,
  series: usize,
  beta: f64,
  out: usize,
): void {
  divergence<f16>(
    p,
    q,
    rows,
    classes,
    targets,
    scale,
    pResults,
    qResults,
    first,
    end,
    pExponentials,
    qExponentials,
    pOrigins,
    qOrigins,
    series,
    beta,
    out,
  );
}
export function bf16_divergence(
  p: usize,
  q: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  pResults: usize,
  qResults: usize,
  first: u32,
  end: u32,
  pExponentials: usize,
  qExponentials: usize,
  pOrigins: usize,
  qOrigins: usize,
  series: usize,
  beta: f64,
  out: usize,
): void {
  divergence<bf16>(
    p,
    q,
    rows,
    classes,
    targets,
    scale,
    pResults,
    qResults,
    first,
    end,
    pExponentials,
    qExponentials,
    pOrigins,
    qOrigins,
    series,
    beta,
    out,
  );
}
export function f32_divergence(
  p: usize,
  q: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  pResults: usize,
  qResults: usize,
  first: u32,
  end: u32,
  pExponentials: usize,
  qExponentials: usize,
  pOrigins: usize,
  qOrigins: usize,
  series: usize,
  beta: f64,
  out: usize,
): void {
  divergence<f32>(
    p,
    q,
    rows,
    classes,
    targets,
    scale,
    pResults,
    qResults,
    first,
    end,
    pExponentials,
    qExponentials,
    pOrigins,
    qOrigins,
    series,
    beta,
    out,
  );
}
export function f64_divergence(
  p: usize,
  q: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  pResults: usize,
  qResults: usize,
  first: u32,
  end: u32,
  pExponentials: usize,
  qExponentials: usize,
  pOrigins: usize,
  qOrigins: usize,
  series: usize,
  beta: f64,
  out: usize,
): void {
  divergence<f64>(
    p,
    q,
    rows,
    classes,
    targets,
    scale,
    pResults,
    qResults,
    first,
    end,
    pExponentials,
    qExponentials,
    pOrigins,
    qOrigins,
    series,
    beta,
    out,
  );
}

export function f16_divergence_gradient(
  p: usize,
  q: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  pResults: usize,
  qResults: usize,
  first: u32,
  end: u32,
  pExponentials: usize,
  qExponentials: usize,
  pOrigins: usize,
  qOrigins: usize,
  series: usize,
  beta: f64,
  direction: i32,
  divergences: usize,
  coefficients: usize,
  gradients: usize,
  scales: usize,
): void {
  divergenceGradient<f16>(
    p,
    q,
    rows,
    classes,
    targets,
    scale,
    pResults,
    qResults,
    first,
    end,
    pExponentials,
    qExponentials,
    pOrigins,
    qOrigins,
    series,
    beta,
    direction,
    divergences,
    coefficients,
    gradients,
    scales,
  );
}
export function bf16_divergence_gradient(
  p: usize,
  q: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  pResults: usize,
  qResults: usize,
  first: u32,
  end: u32,
  pExponentials: usize,
  qExponentials: usize,
  pOrigins: usize,
  qOrigins: usize,
  series: usize,
  beta: f64,
  direction: i32,
  divergences: usize,
  coefficients: usize,
  gradients: usize,
  scales: usize,
): void {
  divergenceGradient<bf16>(
    p,
    q,
    rows,
    classes,
    targets,
    scale,
    pResults,
    qResults,
    first,
    end,
    pExponentials,
    qExponentials,
    pOrigins,
    qOrigins,
    series,
    beta,
    direction,
    divergences,
    coefficients,
    gradients,
    scales,
  );
}
export function f32_divergence_gradient(
  p: usize,
  q: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  pResults: usize,
  qResults: usize,
  first: u32,
  end: u32,
  pExponentials: usize,
  qExponentials: usize,
  pOrigins: usize,
  qOrigins: usize,
  series: usize,
  beta: f64,
  direction: i32,
  divergences: usize,
  coefficients: usize,
  gradients: usize,
  scales: usize,
): void {
  divergenceGradient<f32>(
    p,
    q,
    rows,
    classes,
    targets,
    scale,
    pResults,
    qResults,
    first,
    end,
    pExponentials,
    qExponentials,
    pOrigins,
    qOrigins,
    series,
    beta,
    direction,
    divergences,
    coefficients,
    gradients,
    scales,
  );
}
export function f64_divergence_gradient(
  p: usize,
  q: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  pResults: usize,
  qResults: usize,
  first: u32,
  end: u32,
  pExponentials: usize,
  qExponentials: usize,
  pOrigins: usize,
  qOrigins: usize,
  series: usize,
  beta: f64,
  direction: i32,
  divergences: usize,
  coefficients: usize,
  gradients: usize,
  scales: usize,
): void {
  divergenceGradient<f64>(
    p,
    q,
    rows,
    classes,
    targets,
    scale,
    pResults,
    qResults,
    first,
    end,
    pExponentials,
    qExponentials,
    pOrigins,
    qOrigins,
    series,
    beta,
    direction,
    divergences,
    coefficients,
    gradients,
    scales,
  );
}

export function f16_truncated_divergence(
  p: usize,
  q: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  pResults: usize,
  qResults: usize,
  first: u32,
  end: u32,
  pExponentials: usize,
  qExponentials: usize,
  pOrigins: usize,
  qOrigins: usize,
  floor: f64,
  out: usize,
): void {
  truncatedDivergence<f16>(
    p,
    q,
    rows,
    classes,
    targets,
    scale,
    pResults,
    qResults,
    first,
    end,
    pExponentials,
    qExponentials,
    pOrigins,
    qOrigins,
    floor,
    out,
  );
}
export function bf16_truncated_divergence(
  p: usize,
  q: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  pResults: usize,
  qResults: usize,
  first: u32,
  end: u32,
  pExponentials: usize,
  qExponentials: usize,
  pOrigins: usize,
  qOrigins: usize,
  floor: f64,
  out: usize,
): void {
  truncatedDivergence<bf16>(
    p,
    q,
    rows,
    classes,
    targets,
    scale,
    pResults,
    qResults,
    first,
    end,
    pExponentials,
    qExponentials,
    pOrigins,
    qOrigins,
    floor,
    out,
  );
}
export function f32_truncated_divergence(
  p: usize,
  q: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  pResults: usize,
  qResults: usize,
  first: u32,
  end: u32,
  pExponentials: usize,
  qExponentials: usize,
  pOrigins: usize,
  qOrigins: usize,
  floor: f64,
  out: usize,
): void {
  truncatedDivergence<f32>(
    p,
    q,
    rows,
    classes,
    targets,
    scale,
    pResults,
    qResults,
    first,
    end,
    pExponentials,
    qExponentials,
    pOrigins,
    qOrigins,
    floor,
    out,
  );
}
export function f64_truncated_divergence(
  p: usize,
  q: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  pResults: usize,
  qResults: usize,
  first: u32,
  end: u32,
  pExponentials: usize,
  qExponentials: usize,
  pOrigins: usize,
  qOrigins: usize,
  floor: f64,
  out: usize,
): void {
  truncatedDivergence<f64>(
    p,
    q,
    rows,
    classes,
    targets,
    scale,
    pResults,
    qResults,
    first,
    end,
    pExponentials,
    qExponentials,
    pOrigins,
    qOrigins,
    floor,
    out,
  );
}

export function f16_truncated_gradient(
  p: usize,
  q: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  pResults: usize,
  qResults: usize,
  first: u32,
  end: u32,
  pExponentials: usize,
  qExponentials: usize,
  pOrigins: usize,
  qOrigins: usize,
  floor: f64,
  divergences: usize,
  coefficients: usize,
  gradients: usize,
  scales: usize,
): void {
  truncatedGradient<f16>(
    p,
    q,
    rows,
    classes,
    targets,
    scale,
    pResults,
    qResults,
    first,
    end,
    pExponentials,
    qExponentials,
    pOrigins,
    qOrigins,
    floor,
    divergences,
    coefficients,
    gradients,
    scales,
  );
}
export function bf16_truncated_gradient(
  p: usize,
  q: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  pResults: usize,
  qResults: usize,
  first: u32,
  end: u32,
  pExponentials: usize,
  qExponentials: usize,
  pOrigins: usize,
  qOrigins: usize,
  floor: f64,
  divergences: usize,
  coefficients: usize,
  gradients: usize,
  scales: usize,
): void {
  truncatedGradient<bf16>(
    p,
    q,
    rows,
    classes,
    targets,
    scale,
    pResults,
    qResults,
    first,
    end,
    pExponentials,
    qExponentials,
    pOrigins,
    qOrigins,
    floor,
    divergences,
    coefficients,
    gradients,
    scales,
  );
}
export function f32_truncated_gradient(
  p: usize,
  q: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  pResults: usize,
  qResults: usize,
  first: u32,
  end: u32,
  pExponentials: usize,
  qExponentials: usize,
  pOrigins: usize,
  qOrigins: usize,
  floor: f64,
  divergences: usize,
  coefficients: usize,
  gradients: usize,
  scales: usize,
): void {
  truncatedGradient<f32>(
    p,
    q,
    rows,
    classes,
    targets,
    scale,
    pResults,
    qResults,
    first,
    end,
    pExponentials,
    qExponentials,
    pOrigins,
    qOrigins,
    floor,
    divergences,
    coefficients,
    gradients,
    scales,
  );
}
export function f64_truncated_gradient(
  p: usize,
  q: usize,
  rows: u32,
  classes: u32,
  targets: usize,
  scale: f64,
  pResults: usize,
  qResults: usize,
  first: u32,
  end: u32,
  pExponentials: usize,
  qExponentials: usize,
  pOrigins: usize,
  qOrigins: usize,
  floor: f64,
  divergences: usize,
  coefficients: usize,
  gradients: usize,
  scales: usize,
): void {
  truncatedGradient<f64>(
    p,
    q,
    rows,
    classes,
    targets,
    scale,
    pResults,
    qResults,
    first,
    end,
    pExponentials,
    qExponentials,
    pOrigins,
    qOrigins,
    floor,
    divergences,
    coefficients,
    gradients,
    scales,
  );
}

export function interface_number(): u32 {
  return 126995317;
}
