// Generated from table.ts by `npm run generate`.

import type { FloatDType } from '../src/tensor/dtype.ts';
import type { Arena } from './arena.ts';
import {
  RowBlockLayout,
  RowOffsetsLayout,
  GivenRowsLayout,
  RowMassesLayout,
  CrossEntropiesLayout,
  RowRanksLayout,
  SoftmaxMomentsLayout,
  RowDivergencesLayout,
  RowSurveyLayout,
} from './layouts.ts';

type NumericFunction = (...values: number[]) => number;

/** Functions that a WebAssembly instance exports. */
export type Exports = Readonly<Record<string, NumericFunction>>;

/** Exports of one kernel. */
type ByDType = Readonly<Record<FloatDType, NumericFunction>>;

function byDType(exports: Exports, kernel: string): ByDType {
  return {
    float16: exports[`f16_${kernel}`]!,
    bfloat16: exports[`bf16_${kernel}`]!,
    float32: exports[`f32_${kernel}`]!,
    float64: exports[`f64_${kernel}`]!,
    float8_e4m3fn: exports[`f8e4m3_${kernel}`]!,
    float8_e5m2: exports[`f8e5m2_${kernel}`]!,
  };
}

/** Arguments of the kernels. Addresses are bytes in the memory of the instance. */
interface Arguments {
  /** Address of (rows, classes) elements of the dtype, row-major, at any alignment. */
  logits: number;
  /** Address of the elements of one row. */
  row: number;
  /** Address of elements of the dtype. */
  elements: number;
  /** Number of rows. */
  rows: number;
  /** Number of classes, the elements of a row. */
  classes: number;
  /** Number of elements. */
  count: number;
  /** Column to begin at. */
  from: number;
  /** Elements from one row to the next: `classes`, or more when the block is a part of the columns. */
  stride: number;
  /** Address of i32 per row: class to score, NO_TARGET or LEFT_OUT. */
  targets: number;
  /** Class to score, or NO_TARGET. */
  target: number;
  /** Address of f64 per class; 0 for weights of 1. */
  weights: number;
  /** A power of two, at least the number of classes: sums relative to it overflow only where their mean does. */
  unit: number;
  /** Σ w / unit over the classes. */
  relativeWeight: number;
  /** Address of class probabilities as received: (rows, classes) elements of the dtype. */
  received: number;
  /** Address of class probabilities as f64 per row and class; 0 for class indices. */
  probabilities: number;
  /** Address of the columns of RowMasses. */
  masses: number;
  /** Address of the columns of RowBlock. */
  results: number;
  /** Address of the columns of GradientCoefficients; for a divergence, of f64 per row. */
  coefficients: number;
  /** Address of (rows, classes) elements: f64 for float64 logits, else f32. */
  gradients: number;
  /** Address of f64 per row: the power of two by which its gradient has to be multiplied. */
  scales: number;
  /** A power of two to multiply by. */
  factor: number;
  /** Dtype to round to, a number of NarrowTo. */
  to: number;
  /**
   * Factor of the logits, 1 for none. `forward` and what follows it: x = offset + scale·v of the elements v; float64
   * has neither.
   */
  scale: number;
  /** Address of the columns of RowOffsets; 0 for none. */
  offsets: number;
  /** Address of the columns of GivenRows. */
  given: number;
  /** Cap of the logits; 0 for none. */
  cap: number;
  /** Bits of NonFinite. */
  kinds: number;
  /** Value to be counted. */
  value: number;
  /** Bits of the smallest positive normal number. */
  leastNormal: number;
  /**
   * Address of u32: HISTOGRAM_BINS counts of finite values other than 0 by the exponent field of their float64, the
   * number of zeros, and per column the number of non-finite values.
   */
  histogram: number;
  /** First row to evaluate. */
  first: number;
  /** Row after the last to evaluate. */
  end: number;
  /** Address of exp(scale·(x − origin)) per class from row `first` on: f64 for float64 logits, else f32. */
  exponentials: number;
  /** Address of f64 per row: the logit to which its exponentials are relative. */
  origins: number;
  /** Address of the logits of p, of two softmaxes p and q: (rows, classes) elements of the dtype. */
  p: number;
  /** Address of the logits of q. */
  q: number;
  /** Address of the columns of RowBlock of p. */
  pResults: number;
  /** Address of the columns of RowBlock of q. */
  qResults: number;
  /** `exponentials` of p. */
  pExponentials: number;
  /** `exponentials` of q. */
  qExponentials: number;
  /** `origins` of p. */
  pOrigins: number;
  /** `origins` of q. */
  qOrigins: number;
  /** Address of the series of the divergences, see series.ts. */
  series: number;
  /** Divergence, a number of Direction. */
  direction: number;
  /** Address of the columns of RowDivergences. */
  divergences: number;
  /** Nats below log 1 at and below which classes of p are left out. */
  floor: number;
  /** β of the Jensen–Shannon divergence; 0 for the Kullback–Leibler divergence. */
  beta: number;
  /** Address of the result. */
  out: number;
}

/** Kernels that store a column and need only the rows and their results. */
export type ColumnKernel = 'entropy';

/** Calls the exports of an instance by named arguments. */
export class Bindings {
  readonly #forward: ByDType;
  readonly #gradient: ByDType;
  readonly #norms: ByDType;
  readonly #narrow: ByDType;
  readonly #sum: ByDType;
  readonly #find: ByDType;
  readonly #rank: ByDType;
  readonly #uniform: ByDType;
  readonly #entropy: ByDType;
  readonly #probabilities: ByDType;
  readonly #crossEntropy: ByDType;
  readonly #transform: ByDType;
  readonly #chain: ByDType;
  readonly #softcap: ByDType;
  readonly #softcapChain: ByDType;
  readonly #softmaxMoments: ByDType;
  readonly #heapBase: NumericFunction;
  readonly #multiplyAddIsFused: NumericFunction;
  readonly #survey: ByDType;
  readonly #count: ByDType;
  readonly #subnormals: ByDType;
  readonly #rankOf: ByDType;
  readonly #widen: ByDType;
  readonly #promote: ByDType;
  readonly #keep: ByDType;
  readonly #divergence: ByDType;
  readonly #divergenceGradient: ByDType;
  readonly #truncatedDivergence: ByDType;
  readonly #truncatedGradient: ByDType;

  constructor(exports: Exports) {
    if (exports['interface_number']?.() !== 126995317) {
      throw new Error('kernels/build has another interface than these sources: run `npm run build:kernels`');
    }
    this.#forward = byDType(exports, 'forward');
    this.#gradient = byDType(exports, 'gradient');
    this.#norms = byDType(exports, 'norms');
    this.#narrow = byDType(exports, 'narrow');
    this.#sum = byDType(exports, 'sum');
    this.#find = byDType(exports, 'find');
    this.#rank = byDType(exports, 'rank');
    this.#uniform = byDType(exports, 'uniform');
    this.#entropy = byDType(exports, 'entropy');
    this.#probabilities = byDType(exports, 'probabilities');
    this.#crossEntropy = byDType(exports, 'cross_entropy');
    this.#transform = byDType(exports, 'transform');
    this.#chain = byDType(exports, 'chain');
    this.#softcap = byDType(exports, 'softcap');
    this.#softcapChain = byDType(exports, 'softcap_chain');
    this.#softmaxMoments = byDType(exports, 'softmax_moments');
    this.#heapBase = exports.heap_base!;
    this.#multiplyAddIsFused = exports.multiply_add_is_fused!;
    this.#survey = byDType(exports, 'survey');
    this.#count = byDType(exports, 'count');
    this.#subnormals = byDType(exports, 'subnormals');
    this.#rankOf = byDType(exports, 'rank_of');
    this.#widen = byDType(exports, 'widen');
    this.#promote = byDType(exports, 'promote');
    this.#keep = byDType(exports, 'keep');
    this.#divergence = byDType(exports, 'divergence');
    this.#divergenceGradient = byDType(exports, 'divergence_gradient');
    this.#truncatedDivergence = byDType(exports, 'truncated_divergence');
    this.#truncatedGradient = byDType(exports, 'truncated_gradient');
  }

  /** Stores the columns of RowBlock. */
  forward(
    dtype: 'float16' | 'bfloat16' | 'float32' | 'float64',
    {
      logits,
      rows,
      classes,
      stride,
      targets,
      scale,
      offsets,
      results,
    }: Pick<Arguments, 'logits' | 'rows' | 'classes' | 'stride' | 'targets' | 'scale' | 'offsets' | 'results'>,
  ): void {
    this.#forward[dtype](logits, rows, classes, stride, targets, scale, offsets, results);
  }

  /** Stores what `forward` does, and the gradient with respect to x of the sum that the coefficients describe. */
  gradient(
    dtype: 'float16' | 'bfloat16' | 'float32' | 'float64',
    {
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
    }: Pick<
      Arguments,
      | 'logits'
      | 'rows'
      | 'classes'
      | 'targets'
      | 'scale'
      | 'offsets'
      | 'results'
      | 'coefficients'
      | 'weights'
      | 'unit'
      | 'relativeWeight'
      | 'probabilities'
      | 'masses'
      | 'gradients'
      | 'scales'
    >,
  ): void {
    this.#gradient[dtype](
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

  /** Stores f64 per row of a gradient: √Σ g². */
  norms(
    dtype: 'float32' | 'float64',
    { gradients, rows, classes, scales, out }: Pick<Arguments, 'gradients' | 'rows' | 'classes' | 'scales' | 'out'>,
  ): void {
    this.#norms[dtype](gradients, rows, classes, scales, out);
  }

  /** Stores values of a gradient, rounded to the dtype that it is returned in. */
  narrow(
    dtype: 'float32' | 'float64',
    { gradients, count, factor, to, out }: Pick<Arguments, 'gradients' | 'count' | 'factor' | 'to' | 'out'>,
  ): void {
    this.#narrow[dtype](gradients, count, factor, to, out);
  }

  /** Returns Σ w / unit, compensated. */
  sum(dtype: 'float64', { weights, count, unit }: Pick<Arguments, 'weights' | 'count' | 'unit'>): number {
    return this.#sum[dtype](weights, count, unit);
  }

  /** Returns the next column of a row that holds a value of the given kinds; −1 when there is none. */
  find(
    dtype: 'float16' | 'bfloat16' | 'float32' | 'float64',
    { row, from, classes, kinds }: Pick<Arguments, 'row' | 'from' | 'classes' | 'kinds'>,
  ): number {
    return this.#find[dtype](row, from, classes, kinds);
  }

  /** Stores the columns of RowRanks. */
  rank(
    dtype: 'float16' | 'bfloat16' | 'float32' | 'float64',
    { logits, rows, classes, targets, out }: Pick<Arguments, 'logits' | 'rows' | 'classes' | 'targets' | 'out'>,
  ): void {
    this.#rank[dtype](logits, rows, classes, targets, out);
  }

  /** Stores f64 per evaluated row: Σ w·(lse − x) / unit, for label smoothing. */
  uniform(
    dtype: 'float16' | 'bfloat16' | 'float32' | 'float64',
    {
      logits,
      rows,
      classes,
      targets,
      scale,
      offsets,
      results,
      weights,
      unit,
      relativeWeight,
      out,
    }: Pick<
      Arguments,
      | 'logits'
      | 'rows'
      | 'classes'
      | 'targets'
      | 'scale'
      | 'offsets'
      | 'results'
      | 'weights'
      | 'unit'
      | 'relativeWeight'
      | 'out'
    >,
  ): void {
    this.#uniform[dtype](logits, rows, classes, targets, scale, offsets, results, weights, unit, relativeWeight, out);
  }

  /** Stores f64 per evaluated row: the entropy of the softmax. */
  entropy(
    dtype: 'float16' | 'bfloat16' | 'float32' | 'float64',
    {
      logits,
      rows,
      classes,
      scale,
      results,
      out,
    }: Pick<Arguments, 'logits' | 'rows' | 'classes' | 'scale' | 'results' | 'out'>,
  ): void {
    this.#entropy[dtype](logits, rows, classes, scale, results, out);
  }

  /** Stores class probabilities as f64, the columns of RowMasses, and as target of a row its most probable class. */
  probabilities(
    dtype: 'float16' | 'bfloat16' | 'float32' | 'float64',
    {
      received,
      rows,
      classes,
      targets,
      weights,
      probabilities,
      masses,
    }: Pick<Arguments, 'received' | 'rows' | 'classes' | 'targets' | 'weights' | 'probabilities' | 'masses'>,
  ): void {
    this.#probabilities[dtype](received, rows, classes, targets, weights, probabilities, masses);
  }

  /** Stores the columns of CrossEntropies; the weighted one only with weights. */
  crossEntropy(
    dtype: 'float16' | 'bfloat16' | 'float32' | 'float64',
    {
      logits,
      rows,
      classes,
      targets,
      scale,
      offsets,
      results,
      probabilities,
      weights,
      out,
    }: Pick<
      Arguments,
      'logits' | 'rows' | 'classes' | 'targets' | 'scale' | 'offsets' | 'results' | 'probabilities' | 'weights' | 'out'
    >,
  ): void {
    this.#crossEntropy[dtype](logits, rows, classes, targets, scale, offsets, results, probabilities, weights, out);
  }

  /** Stores x = cap·tanh(scale·logit / cap) as f64 per element. */
  transform(
    dtype: 'float16' | 'bfloat16' | 'float32' | 'float64',
    { logits, count, scale, cap, out }: Pick<Arguments, 'logits' | 'count' | 'scale' | 'cap' | 'out'>,
  ): void {
    this.#transform[dtype](logits, count, scale, cap, out);
  }

  /** Turns a gradient with respect to x, in f64, into the one with respect to the logits. */
  chain(
    dtype: 'float16' | 'bfloat16' | 'float32' | 'float64',
    { logits, count, scale, cap, gradients }: Pick<Arguments, 'logits' | 'count' | 'scale' | 'cap' | 'gradients'>,
  ): void {
    this.#chain[dtype](logits, count, scale, cap, gradients);
  }

  /**
   * Stores x = cap·tanh(scale·logit / cap) − offset as f32 per element, and the columns of RowOffsets and GivenRows.
   */
  softcap(
    dtype: 'float16' | 'bfloat16' | 'float32',
    {
      logits,
      rows,
      classes,
      targets,
      scale,
      cap,
      offsets,
      given,
      out,
    }: Pick<Arguments, 'logits' | 'rows' | 'classes' | 'targets' | 'scale' | 'cap' | 'offsets' | 'given' | 'out'>,
  ): void {
    this.#softcap[dtype](logits, rows, classes, targets, scale, cap, offsets, given, out);
  }

  /** Multiplies a gradient, in f32, by 1 − tanh²(scale·logit / cap). */
  softcapChain(
    dtype: 'float16' | 'bfloat16' | 'float32',
    { logits, count, scale, cap, gradients }: Pick<Arguments, 'logits' | 'count' | 'scale' | 'cap' | 'gradients'>,
  ): void {
    this.#softcapChain[dtype](logits, count, scale, cap, gradients);
  }

  /** Stores the columns of SoftmaxMoments. */
  softmaxMoments(
    dtype: 'float16' | 'bfloat16' | 'float32' | 'float64',
    {
      logits,
      rows,
      classes,
      targets,
      scale,
      results,
      weights,
      out,
    }: Pick<Arguments, 'logits' | 'rows' | 'classes' | 'targets' | 'scale' | 'results' | 'weights' | 'out'>,
  ): void {
    this.#softmaxMoments[dtype](logits, rows, classes, targets, scale, results, weights, out);
  }

  /** Returns the address at which free memory begins. */
  heapBase(): number {
    return this.#heapBase();
  }

  /** Returns true when the relaxed multiply-add rounds once. */
  multiplyAddIsFused(): number {
    return this.#multiplyAddIsFused();
  }

  /** Stores the columns of RowSurvey, and a histogram of the rows that are not left out. */
  survey(
    dtype: 'float16' | 'bfloat16' | 'float32' | 'float64',
    {
      logits,
      rows,
      classes,
      targets,
      histogram,
      out,
    }: Pick<Arguments, 'logits' | 'rows' | 'classes' | 'targets' | 'histogram' | 'out'>,
  ): void {
    this.#survey[dtype](logits, rows, classes, targets, histogram, out);
  }

  /** Returns how many elements equal a value. */
  count(
    dtype: 'float16' | 'bfloat16' | 'float32' | 'float64',
    { row, count, value }: Pick<Arguments, 'row' | 'count' | 'value'>,
  ): number {
    return this.#count[dtype](row, count, value);
  }

  /** Returns how many elements other than 0 are of smaller magnitude than a normal number. */
  subnormals(
    dtype: 'float16' | 'bfloat16',
    { row, count, leastNormal }: Pick<Arguments, 'row' | 'count' | 'leastNormal'>,
  ): number {
    return this.#subnormals[dtype](row, count, leastNormal);
  }

  /** Returns the rank of the target of one row, see RowRanks. */
  rankOf(
    dtype: 'float16' | 'bfloat16' | 'float32' | 'float64',
    { row, classes, target }: Pick<Arguments, 'row' | 'classes' | 'target'>,
  ): number {
    return this.#rankOf[dtype](row, classes, target);
  }

  /** Stores elements as bfloat16, exactly. Reads and stores whole vectors of 16 elements. */
  widen(
    dtype: 'float8_e4m3fn' | 'float8_e5m2',
    { elements, count, out }: Pick<Arguments, 'elements' | 'count' | 'out'>,
  ): void {
    this.#widen[dtype](elements, count, out);
  }

  /** Stores elements as f32, exactly. */
  promote(
    dtype: 'float16' | 'bfloat16',
    { elements, count, out }: Pick<Arguments, 'elements' | 'count' | 'out'>,
  ): void {
    this.#promote[dtype](elements, count, out);
  }

  /** Stores for some rows what `forward` does, their exponentials and origins. float64 is scaled too. */
  keep(
    dtype: 'float16' | 'bfloat16' | 'float32' | 'float64',
    {
      logits,
      rows,
      classes,
      targets,
      scale,
      results,
      first,
      end,
      exponentials,
      origins,
    }: Pick<
      Arguments,
      'logits' | 'rows' | 'classes' | 'targets' | 'scale' | 'results' | 'first' | 'end' | 'exponentials' | 'origins'
    >,
  ): void {
    this.#keep[dtype](logits, rows, classes, targets, scale, results, first, end, exponentials, origins);
  }

  /** Stores the columns of RowDivergences of some rows, from what `keep` stored for both sides. */
  divergence(
    dtype: 'float16' | 'bfloat16' | 'float32' | 'float64',
    {
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
    }: Pick<
      Arguments,
      | 'p'
      | 'q'
      | 'rows'
      | 'classes'
      | 'targets'
      | 'scale'
      | 'pResults'
      | 'qResults'
      | 'first'
      | 'end'
      | 'pExponentials'
      | 'qExponentials'
      | 'pOrigins'
      | 'qOrigins'
      | 'series'
      | 'beta'
      | 'out'
    >,
  ): void {
    this.#divergence[dtype](
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

  /** Stores the gradient of the divergence with respect to the logits of q, of some rows. */
  divergenceGradient(
    dtype: 'float16' | 'bfloat16' | 'float32' | 'float64',
    {
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
    }: Pick<
      Arguments,
      | 'p'
      | 'q'
      | 'rows'
      | 'classes'
      | 'targets'
      | 'scale'
      | 'pResults'
      | 'qResults'
      | 'first'
      | 'end'
      | 'pExponentials'
      | 'qExponentials'
      | 'pOrigins'
      | 'qOrigins'
      | 'series'
      | 'beta'
      | 'direction'
      | 'divergences'
      | 'coefficients'
      | 'gradients'
      | 'scales'
    >,
  ): void {
    this.#divergenceGradient[dtype](
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

  /** As `divergence`, over the classes with log p > −floor. The excess is 0, the total is Σ p of these classes. */
  truncatedDivergence(
    dtype: 'float16' | 'bfloat16' | 'float32' | 'float64',
    {
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
    }: Pick<
      Arguments,
      | 'p'
      | 'q'
      | 'rows'
      | 'classes'
      | 'targets'
      | 'scale'
      | 'pResults'
      | 'qResults'
      | 'first'
      | 'end'
      | 'pExponentials'
      | 'qExponentials'
      | 'pOrigins'
      | 'qOrigins'
      | 'floor'
      | 'out'
    >,
  ): void {
    this.#truncatedDivergence[dtype](
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

  /** Stores the gradient of the truncated divergence with respect to the logits of q, of some rows. */
  truncatedGradient(
    dtype: 'float16' | 'bfloat16' | 'float32' | 'float64',
    {
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
    }: Pick<
      Arguments,
      | 'p'
      | 'q'
      | 'rows'
      | 'classes'
      | 'targets'
      | 'scale'
      | 'pResults'
      | 'qResults'
      | 'first'
      | 'end'
      | 'pExponentials'
      | 'qExponentials'
      | 'pOrigins'
      | 'qOrigins'
      | 'floor'
      | 'divergences'
      | 'coefficients'
      | 'gradients'
      | 'scales'
    >,
  ): void {
    this.#truncatedGradient[dtype](
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
}

/** Results of the rows of a block. All columns have an entry per row. */
export interface RowBlock {
  /** log Σ exp of the logits. */
  lse: Float64Array<ArrayBuffer>;
  /** The logit at the target; 0 without one. */
  targetLogit: Float64Array<ArrayBuffer>;
  /** −log softmax at the target; 0 without one. */
  nll: Float64Array<ArrayBuffer>;
  /** The greatest finite logit, before any transform; −Infinity when none is finite. */
  maximum: Float64Array<ArrayBuffer>;
  /**
   * A logit r, at most about 22 below the maximum. lse = r + log S, rounded to the size of r. In memory it is a
   * value v, before scale and offset.
   */
  reference: Float64Array<ArrayBuffer>;
  /** log S with S = Σ exp(x − r). The softmax is exp(x − r)·exp(−log S), for any size of r. */
  logSum: Float64Array<ArrayBuffer>;
  /** Number of NaN. */
  nanCount: Int32Array<ArrayBuffer>;
  /** Number of +Infinity. */
  posInfCount: Int32Array<ArrayBuffer>;
  /** Number of −Infinity. */
  negInfCount: Int32Array<ArrayBuffer>;
}

/** Copies the columns of RowBlock out of the memory. */
export function readRowBlock(arena: Arena, at: number, rows: number): RowBlock {
  return {
    lse: arena.f64(at + rows * RowBlockLayout.lse, rows).slice(),
    targetLogit: arena.f64(at + rows * RowBlockLayout.targetLogit, rows).slice(),
    nll: arena.f64(at + rows * RowBlockLayout.nll, rows).slice(),
    maximum: arena.f64(at + rows * RowBlockLayout.maximum, rows).slice(),
    reference: arena.f64(at + rows * RowBlockLayout.reference, rows).slice(),
    logSum: arena.f64(at + rows * RowBlockLayout.logSum, rows).slice(),
    nanCount: arena.i32(at + rows * RowBlockLayout.nanCount, rows).slice(),
    posInfCount: arena.i32(at + rows * RowBlockLayout.posInfCount, rows).slice(),
    negInfCount: arena.i32(at + rows * RowBlockLayout.negInfCount, rows).slice(),
  };
}

/** Offset of each row, and the value of its target. All columns have an entry per row. */
export interface RowOffsets {
  /** x − v of all its values v. */
  offset: Float64Array<ArrayBuffer>;
  /** v of the target, more exact than the stored one. */
  target: Float64Array<ArrayBuffer>;
}

/** Copies the columns of RowOffsets out of the memory. */
export function readRowOffsets(arena: Arena, at: number, rows: number): RowOffsets {
  return {
    offset: arena.f64(at + rows * RowOffsetsLayout.offset, rows).slice(),
    target: arena.f64(at + rows * RowOffsetsLayout.target, rows).slice(),
  };
}

/** Results about the logits as received, before any transform. All columns have an entry per row. */
export interface GivenRows {
  /** The greatest finite logit; −Infinity when none is finite. */
  maximum: Float64Array<ArrayBuffer>;
  /** Number of NaN. */
  nanCount: Int32Array<ArrayBuffer>;
  /** Number of +Infinity. */
  posInfCount: Int32Array<ArrayBuffer>;
  /** Number of −Infinity. */
  negInfCount: Int32Array<ArrayBuffer>;
}

/** Copies the columns of GivenRows out of the memory. */
export function readGivenRows(arena: Arena, at: number, rows: number): GivenRows {
  return {
    maximum: arena.f64(at + rows * GivenRowsLayout.maximum, rows).slice(),
    nanCount: arena.i32(at + rows * GivenRowsLayout.nanCount, rows).slice(),
    posInfCount: arena.i32(at + rows * GivenRowsLayout.posInfCount, rows).slice(),
    negInfCount: arena.i32(at + rows * GivenRowsLayout.negInfCount, rows).slice(),
  };
}

/** Results about class probabilities that need no logits. All columns have an entry per row. */
export interface RowMasses {
  /** Σ_c w_c·p_c */
  masses: Float64Array<ArrayBuffer>;
  /** Σ_c p_c */
  sums: Float64Array<ArrayBuffer>;
  /** Bits of Odd. */
  odd: Int32Array<ArrayBuffer>;
}

/** Copies the columns of RowMasses out of the memory. */
export function readRowMasses(arena: Arena, at: number, rows: number): RowMasses {
  return {
    masses: arena.f64(at + rows * RowMassesLayout.masses, rows).slice(),
    sums: arena.f64(at + rows * RowMassesLayout.sums, rows).slice(),
    odd: arena.i32(at + rows * RowMassesLayout.odd, rows).slice(),
  };
}

/**
 * Coefficients of the gradient t·(Σ_k w_k p_k·s_c − w_c p_c) + b·(Σ_k w_k·s_c − w_c) + z·lse·s_c. All columns have
 * an entry per row.
 */
export interface GradientCoefficients {
  /** Includes the weight of the target for class indices, where p is 1. */
  t: Float64Array;
  /** Coefficient of label smoothing. */
  b: Float64Array;
  /** Coefficient of the z-loss. */
  z: Float64Array;
}

/**
 * Cross-entropies with class probabilities. A class of probability 0 adds nothing. All columns have an entry per
 * row.
 */
export interface CrossEntropies {
  /** −Σ_c p_c·log s_c */
  nll: Float64Array<ArrayBuffer>;
  /** −Σ_c w_c·p_c·log s_c */
  weighted: Float64Array<ArrayBuffer>;
}

/** Copies the columns of CrossEntropies out of the memory. */
export function readCrossEntropies(arena: Arena, at: number, rows: number): CrossEntropies {
  return {
    nll: arena.f64(at + rows * CrossEntropiesLayout.nll, rows).slice(),
    weighted: arena.f64(at + rows * CrossEntropiesLayout.weighted, rows).slice(),
  };
}

/** Maximum and rank of the target of each row. NaN are ignored. All columns have an entry per row. */
export interface RowRanks {
  /** The maximum. */
  maximum: Float64Array<ArrayBuffer>;
  /** Index of the maximum, the lowest on ties. */
  predictions: Int32Array<ArrayBuffer>;
  /** Number of classes before the target when sorted by value, then by index; −1 without a target or when it is NaN. */
  targetRank: Int32Array<ArrayBuffer>;
}

/** Copies the columns of RowRanks out of the memory. */
export function readRowRanks(arena: Arena, at: number, rows: number): RowRanks {
  return {
    maximum: arena.f64(at + rows * RowRanksLayout.maximum, rows).slice(),
    predictions: arena.i32(at + rows * RowRanksLayout.predictions, rows).slice(),
    targetRank: arena.i32(at + rows * RowRanksLayout.targetRank, rows).slice(),
  };
}

/**
 * Moments of each row over the classes c other than the target. q is the softmax of these classes, Σ q = 1, and w
 * their weights, 1 without. The gradient of such a class is A·q_c − b·w_c = A·(q_c − α·w_c) + (A·α − b)·w_c. All
 * columns have an entry per row.
 */
export interface SoftmaxMoments {
  /** √Σ (q_c − α·w_c)² */
  softmaxSpread: Float64Array<ArrayBuffer>;
  /** Σ (q_c − α·w_c)·w_c */
  softmaxAlong: Float64Array<ArrayBuffer>;
  /** α = 1 / Σ w, or 0. */
  softmaxSlope: Float64Array<ArrayBuffer>;
  /** √Σ w_c² */
  weightNorm: Float64Array<ArrayBuffer>;
}

/** Copies the columns of SoftmaxMoments out of the memory. */
export function readSoftmaxMoments(arena: Arena, at: number, rows: number): SoftmaxMoments {
  return {
    softmaxSpread: arena.f64(at + rows * SoftmaxMomentsLayout.softmaxSpread, rows).slice(),
    softmaxAlong: arena.f64(at + rows * SoftmaxMomentsLayout.softmaxAlong, rows).slice(),
    softmaxSlope: arena.f64(at + rows * SoftmaxMomentsLayout.softmaxSlope, rows).slice(),
    weightNorm: arena.f64(at + rows * SoftmaxMomentsLayout.weightNorm, rows).slice(),
  };
}

/** Divergence of q from p. All columns have an entry per row. */
export interface RowDivergences {
  /** KL(p‖q), or the Jensen–Shannon divergence; NaN without a finite lse, 0 for rows left out. */
  divergence: Float64Array<ArrayBuffer>;
  /** log Σ q with q by the two lse: an error of the lse, which the divergence is free of. */
  excess: Float64Array<ArrayBuffer>;
  /** Σ of the exponentials of p. */
  total: Float64Array<ArrayBuffer>;
  /** First class with q = 0 and p > 0, where that makes the divergence infinite; else −1. */
  infinite: Int32Array<ArrayBuffer>;
}

/** Copies the columns of RowDivergences out of the memory. */
export function readRowDivergences(arena: Arena, at: number, rows: number): RowDivergences {
  return {
    divergence: arena.f64(at + rows * RowDivergencesLayout.divergence, rows).slice(),
    excess: arena.f64(at + rows * RowDivergencesLayout.excess, rows).slice(),
    total: arena.f64(at + rows * RowDivergencesLayout.total, rows).slice(),
    infinite: arena.i32(at + rows * RowDivergencesLayout.infinite, rows).slice(),
  };
}

/** Norms, extremes and counts of the values of each row. All columns have an entry per row. */
export interface RowSurvey {
  /** √Σ x² over finite values. */
  norms: Float64Array<ArrayBuffer>;
  /** Maximum of the finite values; −Infinity when none is finite. */
  maximum: Float64Array<ArrayBuffer>;
  /** Minimum of the finite values; Infinity when none is finite. */
  minimum: Float64Array<ArrayBuffer>;
  /** Number of NaN. */
  nanCount: Int32Array<ArrayBuffer>;
  /** Number of +Infinity. */
  posInfCount: Int32Array<ArrayBuffer>;
  /** Number of −Infinity. */
  negInfCount: Int32Array<ArrayBuffer>;
}

/** Copies the columns of RowSurvey out of the memory. */
export function readRowSurvey(arena: Arena, at: number, rows: number): RowSurvey {
  return {
    norms: arena.f64(at + rows * RowSurveyLayout.norms, rows).slice(),
    maximum: arena.f64(at + rows * RowSurveyLayout.maximum, rows).slice(),
    minimum: arena.f64(at + rows * RowSurveyLayout.minimum, rows).slice(),
    nanCount: arena.i32(at + rows * RowSurveyLayout.nanCount, rows).slice(),
    posInfCount: arena.i32(at + rows * RowSurveyLayout.posInfCount, rows).slice(),
    negInfCount: arena.i32(at + rows * RowSurveyLayout.negInfCount, rows).slice(),
  };
}
