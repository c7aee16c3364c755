/** Two blocks of logits of the same rows and classes, and the divergence of their softmaxes. */
import { DTYPE_BYTES, isFloat8 } from '../src/tensor/dtype.ts';
import type { FloatDType, KernelDType } from '../src/tensor/dtype.ts';
import { Direction } from './abi.ts';
import { readRowBlock, readRowDivergences } from './bindings.ts';
import type { RowBlock } from './bindings.ts';
import { placedBytes } from './block.ts';
import type { PlacedLogits } from './block.ts';
import { RowBlockLayout, RowDivergencesLayout } from './layouts.ts';
import { placeElements, promoted } from './place.ts';
import type { Elements, KernelMemory } from './place.ts';
import { placeQuantised, rowBytesOf } from './quantised.ts';
import type { QuantisedRows, RowFormat } from './quantised.ts';
import { roundedGradient } from './rounded-gradient.ts';
import { PlacedRows } from './rows.ts';
import { SERIES_BYTES, divergenceSeries } from './series.ts';
import { evaluatedDType } from './transform.ts';

/** Logits of a model, Q, and of a reference, P. */
export interface PairBlock {
  classes: number;
  /** Class to score per row, NO_TARGET or LEFT_OUT. */
  targets: Int32Array;
  logits: Elements;
  /** Quantised rows are log-probabilities. They are used as received, without normalisation. */
  reference: Elements | QuantisedRows;
  /** Factor of the logits of both sides; 1 for none. */
  scale: number;
}

export interface Comparison {
  direction: 'forward' | 'reverse' | 'jensen_shannon';
  /** β of the Jensen–Shannon divergence β·KL(P‖M) + (1 − β)·KL(Q‖M), M = β·P + (1 − β)·Q. */
  beta?: number | undefined;
  /**
   * Excludes the classes with log p ≤ −floor. The divergence is Σ p·log(p/q) over the other classes, which may be
   * negative. Valid for the forward direction only, and required with quantised rows.
   */
  floor?: number | undefined;
}

/** Results of a comparison, an entry per row. */
export interface PairRows {
  /** NaN where a side has NaN, +Infinity or no finite logit; 0 for rows that are left out. */
  divergence: Float64Array<ArrayBuffer>;
  /** First class whose term is +Infinity; −1 without one. */
  infinite: Int32Array<ArrayBuffer>;
  /** Results of each side for the scaled logits, except the maximum, which is that of the logits before the scale. */
  logits: RowBlock;
  reference: RowBlock;
}

/** Limit of the bytes of exponentials that are kept at a time, for both sides together. At least one row is kept. */
const KEPT_AT_A_TIME = 512 * 1024;

/** One side of a pair in the kernels' memory. */
interface Side {
  logits: number;
  results: number;
  exponentials: number;
  origins: number;
}

const formatOf = (side: Elements | QuantisedRows): RowFormat => ('quantised' in side ? 'quantised' : side.dtype);

/** Dtype of the elements of a side in the kernels' memory. */
const placedAs = (format: RowFormat): KernelDType =>
  format === 'quantised' ? 'float32' : isFloat8(format) ? 'bfloat16' : format;

/**
 * Dtype in which both sides are evaluated. Equal dtypes are kept, with float8 as bfloat16. Different dtypes become
 * float32, or float64 if one side is float64. Extreme scales require float64.
 */
export function pairDType({ logits, reference, scale }: Pick<PairSize, 'logits' | 'reference' | 'scale'>): KernelDType {
  const [a, b] = [placedAs(logits), placedAs(reference)];
  const common = a === b ? a : a === 'float64' || b === 'float64' ? 'float64' : 'float32';
  return evaluatedDType(common, { scale, cap: undefined }) as KernelDType;
}

/** Bytes of a kept exponential. */
const keptWidth = (dtype: KernelDType): 4 | 8 => (dtype === 'float64' ? 8 : 4);

/** Rows whose exponentials are kept at a time. */
const rowsKept = (rows: number, rowBytes: number): number =>
  Math.max(1, Math.min(rows, Math.floor(KEPT_AT_A_TIME / 2 / rowBytes)));

/** Sizes and dtypes of a pair, which determine its memory. */
export interface PairSize {
  rows: number;
  classes: number;
  logits: RowFormat;
  reference: RowFormat;
  scale: number;
  /** Dtype in which a gradient is returned. */
  gradientDType?: FloatDType | undefined;
}

/** Bytes of kernel memory for a pair, including its gradient if one is requested. */
export function pairBytes({ rows, classes, logits, reference, scale, gradientDType }: PairSize): number {
  const common = pairDType({ logits, reference, scale });
  const width = keptWidth(common);
  const bytesOf = (format: RowFormat): number => {
    const placed = format === 'quantised' ? rowBytesOf(format, classes) + 4 * classes : placedBytes(format) * classes;
    return rows * (placed + (placedAs(format) === common ? 0 : DTYPE_BYTES[common] * classes));
  };
  const kept = 2 * rowsKept(rows, classes * width) * classes * width;
  const gradient = gradientDType === undefined ? 0 : rows * classes * (width + 2 * DTYPE_BYTES[gradientDType]);
  const perRow = 2 * (RowBlockLayout.bytes + 8) + RowDivergencesLayout.bytes + 24;
  return bytesOf(logits) + bytesOf(reference) + kept + gradient + rows * perRow + SERIES_BYTES;
}

/**
 * Number of the divergence to compute. Jensen–Shannon with β = 0 selects the forward Kullback–Leibler divergence, with
 * β = 1 the reverse one.
 */
function directionOf({ direction, beta }: Comparison): number {
  if (direction !== 'jensen_shannon') return direction === 'forward' ? Direction.forward : Direction.reverse;
  if (beta === undefined) throw new RangeError('the Jensen–Shannon divergence has a beta');
  return beta === 0 ? Direction.forward : beta === 1 ? Direction.reverse : Direction.mixed;
}

/** A pair in the kernels' memory, until another block is placed or the kernel is released. */
export class PlacedPair {
  /** Rows of each side, as received. */
  readonly logits: PlacedRows;
  readonly reference: PlacedRows;
  readonly #memory: KernelMemory;
  readonly #block: PairBlock;
  readonly #dtype: KernelDType;
  readonly #rows: number;
  readonly #rowsAtATime: number;
  readonly #targets: number;
  readonly #q: Side;
  readonly #p: Side;
  readonly #series: number;
  readonly #divergences: number;
  #compared: { direction: number; beta: number; floor: number | undefined } | undefined;

  constructor(memory: KernelMemory, block: PairBlock) {
    const { arena } = memory;
    const rows = block.targets.length;
    this.#memory = memory;
    this.#block = block;
    this.#rows = rows;
    this.#dtype = pairDType({
      logits: block.logits.dtype,
      reference: formatOf(block.reference),
      scale: block.scale,
    });
    this.#targets = arena.copyIn(block.targets);
    this.#series = arena.allocate(SERIES_BYTES);
    this.#divergences = arena.allocate(rows * RowDivergencesLayout.bytes);
    this.#rowsAtATime = rowsKept(rows, block.classes * keptWidth(this.#dtype));
    const logits = this.#placeSide(block.logits);
    const reference = this.#placeSide(block.reference);
    this.logits = logits.rows;
    this.reference = reference.rows;
    this.#q = logits.side;
    this.#p = reference.side;
  }

  #placed(side: Elements | QuantisedRows): PlacedLogits {
    const { classes } = this.#block;
    const rows = this.#rows;
    const isQuantised = 'quantised' in side;
    const { byteLength } = isQuantised ? side.quantised : side.data;
    const format = formatOf(side);
    if (byteLength !== rows * rowBytesOf(format, classes)) {
      throw new RangeError(`a block of ${rows} × ${classes} ${format} does not have ${byteLength} bytes`);
    }
    if (isQuantised) return placeQuantised(this.#memory, side, { rows, classes });
    return placeElements(this.#memory, side.dtype, side.data);
  }

  #placeSide(given: Elements | QuantisedRows): { rows: PlacedRows; side: Side } {
    const { arena } = this.#memory;
    const placed = this.#placed(given);
    const { classes } = this.#block;
    const rows = this.#rows;
    return {
      rows: new PlacedRows(this.#memory, placed, {
        rows,
        classes,
        targets: this.#targets,
        received: 'quantised' in given ? 'float32' : given.dtype,
      }),
      side: {
        logits: promoted(this.#memory, placed, this.#dtype, rows * classes).logits,
        results: arena.allocate(rows * RowBlockLayout.bytes),
        exponentials: arena.allocate(this.#rowsAtATime * classes * keptWidth(this.#dtype)),
        origins: arena.allocate(rows * 8),
      },
    };
  }

  /** Evaluates both sides and their divergence. */
  compare(comparison: Comparison): PairRows {
    const { arena, bindings } = this.#memory;
    const { floor } = comparison;
    const direction = directionOf(comparison);
    const beta = direction === Direction.mixed ? comparison.beta! : 0;
    const isReverse = direction === Direction.reverse;
    if (floor !== undefined && direction !== Direction.forward)
      throw new RangeError('a floor is of the forward direction');
    const [p, q] = isReverse ? [this.#q, this.#p] : [this.#p, this.#q];
    const out = this.#divergences;
    if (floor === undefined) arena.u8(this.#series, SERIES_BYTES).set(divergenceSeries(beta));
    for (let first = 0; first < this.#rows; first += this.#rowsAtATime) {
      this.#keep(first);
      const sides = this.#argumentsOf(p, q, first);
      if (floor !== undefined) bindings.truncatedDivergence(this.#dtype, { ...sides, floor, out });
      else bindings.divergence(this.#dtype, { ...sides, series: this.#series, beta, out });
    }
    this.#compared = { direction, beta, floor };
    const { divergence, infinite } = readRowDivergences(arena, this.#divergences, this.#rows);
    return { divergence, infinite, logits: this.#resultsOf(this.#q), reference: this.#resultsOf(this.#p) };
  }

  /**
   * Gradient of the divergences of `compare` with respect to the logits, times a coefficient per row, rounded to a
   * dtype: (rows, classes) elements.
   * @param into buffer that receives the gradient if it fits; allocation costs more than the copy
   */
  gradient(coefficient: Float64Array, dtype: FloatDType, into?: ArrayBuffer): Uint8Array<ArrayBuffer> {
    const { arena, bindings } = this.#memory;
    const { classes } = this.#block;
    const rows = this.#rows;
    if (this.#compared === undefined) throw new Error('the gradient follows the comparison');
    const { direction, beta, floor } = this.#compared;
    const computed = this.#dtype === 'float64' ? 'float64' : 'float32';
    return arena.temporary(rows * 8, (scales) =>
      arena.temporary(rows * classes * DTYPE_BYTES[computed], (gradients) => {
        const coefficients = arena.copyIn(coefficient);
        for (let first = 0; first < rows; first += this.#rowsAtATime) {
          // The exponentials are still in memory when those of all rows fit.
          if (this.#rowsAtATime < rows) this.#keep(first);
          const sides = this.#argumentsOf(this.#p, this.#q, first);
          const written = { divergences: this.#divergences, coefficients, gradients, scales };
          const chosen = { series: this.#series, beta, direction };
          if (floor !== undefined) bindings.truncatedGradient(this.#dtype, { ...sides, floor, ...written });
          else bindings.divergenceGradient(this.#dtype, { ...sides, ...chosen, ...written });
        }
        return roundedGradient(this.#memory, { rows, classes, gradients, computed, scales }, dtype, into);
      }),
    );
  }

  /** Evaluates rows of both sides from `first` on, as many as fit, and keeps their exponentials. */
  #keep(first: number): void {
    const { classes, scale } = this.#block;
    const rows = this.#rows;
    const end = Math.min(rows, first + this.#rowsAtATime);
    const shared = { rows, classes, targets: this.#targets, scale, first, end };
    for (const side of [this.#p, this.#q]) this.#memory.bindings.keep(this.#dtype, { ...shared, ...side });
    if ('quantised' in this.#block.reference) this.#leaveNotNormalised(first, end);
  }

  /** Stores results of rows of the reference that are log-probabilities: lse 0, and nll −log p. */
  #leaveNotNormalised(first: number, end: number): void {
    const column = (offset: number): Float64Array =>
      this.#memory.arena.f64(this.#p.results + this.#rows * offset, this.#rows);
    const [lse, reference, logSum] = [RowBlockLayout.lse, RowBlockLayout.reference, RowBlockLayout.logSum].map(
      column,
    ) as [Float64Array, Float64Array, Float64Array];
    const nll = column(RowBlockLayout.nll);
    const targetLogit = column(RowBlockLayout.targetLogit);
    for (let row = first; row < end; row++) {
      if (!Number.isFinite(lse[row]!)) continue;
      lse[row] = reference[row] = logSum[row] = 0;
      if (this.#block.targets[row]! >= 0) nll[row] = 0 - targetLogit[row]!;
    }
  }

  /** Arguments of kernels that read what `#keep` stored. */
  #argumentsOf(p: Side, q: Side, first: number) {
    const { classes, scale } = this.#block;
    return {
      p: p.logits,
      q: q.logits,
      rows: this.#rows,
      classes,
      targets: this.#targets,
      scale,
      pResults: p.results,
      qResults: q.results,
      first,
      end: Math.min(this.#rows, first + this.#rowsAtATime),
      pExponentials: p.exponentials,
      qExponentials: q.exponentials,
      pOrigins: p.origins,
      qOrigins: q.origins,
    };
  }

  #resultsOf({ results }: Side): RowBlock {
    const read = readRowBlock(this.#memory.arena, results, this.#rows);
    const { scale } = this.#block;
    if (scale !== 1) read.reference.forEach((v, row) => (read.reference[row] = scale * v));
    return read;
  }
}
