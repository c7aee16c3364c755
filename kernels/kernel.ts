import { DTYPE_BYTES, ELEMENT_TYPES } from '../src/tensor/dtype.ts';
import type { FloatDType } from '../src/tensor/dtype.ts';
import { HISTOGRAM_BINS, LEFT_OUT } from './abi.ts';
import { Arena } from './arena.ts';
import {
  readCrossEntropies,
  readGivenRows,
  readRowBlock,
  readRowMasses,
  readRowOffsets,
  readRowSurvey,
  readSoftmaxMoments,
} from './bindings.ts';
import type { Bindings, ColumnKernel, GradientCoefficients, RowBlock, RowRanks, SoftmaxMoments } from './bindings.ts';
import { KEPT_BYTES, NOTHING } from './block.ts';
import type { BlockSurvey, KernelBlock, Placed, PlacedLogits, RowProbabilities } from './block.ts';
import { classUnit } from './class-unit.ts';
import { compile } from './instance.ts';
import type { Instance, Variant } from './instance.ts';
import {
  CrossEntropiesLayout,
  GivenRowsLayout,
  GradientCoefficientsLayout,
  RowBlockLayout,
  RowMassesLayout,
  RowOffsetsLayout,
  RowSurveyLayout,
  SoftmaxMomentsLayout,
} from './layouts.ts';
import { PlacedPair } from './pair.ts';
import type { PairBlock } from './pair.ts';
import { PlacedTopK } from './top-k.ts';
import type { TopKBlock } from './top-k.ts';
import { placeElements } from './place.ts';
import type { KernelMemory } from './place.ts';
import { roundedGradient } from './rounded-gradient.ts';
import { PlacedRows } from './rows.ts';
import { evaluatedDType, isInPlace, transformed } from './transform.ts';
import type { Transform } from './transform.ts';

/** Results about the transformed logits. */
type RowSums = Omit<RowBlock, 'maximum' | 'nanCount' | 'posInfCount' | 'negInfCount'>;

/**
 * WebAssembly kernels with their own memory, which only this class manages. It places a block of rows in the memory,
 * evaluates it, and copies the results out. Not shared between threads.
 */
export class Kernel {
  readonly variant: Variant;
  readonly #make: () => Instance;
  #bindings: Bindings;
  #arena: Arena;
  #block = NOTHING;

  private constructor({ variant, make }: { variant: Variant; make: () => Instance }) {
    this.variant = variant;
    this.#make = make;
    const { bindings, memory } = make();
    this.#bindings = bindings;
    this.#arena = new Arena(memory, bindings.heapBase());
  }

  /** @throws Error when this machine cannot run the requested variant */
  static load(preference: Variant | 'auto' = 'auto'): Kernel {
    return new Kernel(compile(preference));
  }

  /** Name of the kernel for a dtype, as responses report it. */
  name(dtype: FloatDType): string {
    return `${ELEMENT_TYPES[dtype].float.kernel}-${this.variant}-simd`;
  }

  /** Places a block in the memory and drops the previous block. The methods that evaluate work on the placed block. */
  place({ dtype, classes, logits, targets, transform, probabilities, weights }: KernelBlock): void {
    const rows = targets.length;
    if (logits.byteLength !== rows * classes * DTYPE_BYTES[dtype]) {
      throw new RangeError(`a block of ${rows} × ${classes} ${dtype} does not have ${logits.byteLength} bytes`);
    }
    const arena = this.#arena;
    arena.clear();
    const given = placeElements(this.#memory(), dtype, logits);
    this.#block = {
      ...NOTHING,
      ...given,
      received: dtype,
      classes,
      rows,
      given,
      transform,
      targets: arena.copyIn(targets),
      results: arena.allocate(rows * RowBlockLayout.bytes),
      weights: weights === undefined ? 0 : arena.copyIn(weights),
    };
    // The probabilities come first: the transform needs the targets that they give.
    if (probabilities !== undefined) this.#placeProbabilities(probabilities);
    if (transform !== undefined) this.#transform(transform);
  }

  /** Places a pair of blocks in the memory and drops the previous block. */
  placePair(block: PairBlock): PlacedPair {
    this.#block = NOTHING;
    this.#arena.clear();
    return new PlacedPair(this.#memory(), block);
  }

  /** Places a block and the top K of a teacher in the memory and drops the previous block. */
  placeTopK(block: TopKBlock): PlacedTopK {
    this.#block = NOTHING;
    this.#arena.clear();
    return new PlacedTopK(this.#memory(), block);
  }

  /** The rows of the placed block as received. */
  get received(): PlacedRows {
    return this.#rowsOf(this.#block.given);
  }

  /** Rows of placed logits. Number of rows and targets default to those of the block. */
  #rowsOf(placed: PlacedLogits, { rows, targets }: Pick<Placed, 'rows' | 'targets'> = this.#block): PlacedRows {
    const { classes, received } = this.#block;
    return new PlacedRows(this.#memory(), placed, { rows, classes, targets, received });
  }

  #memory(): KernelMemory {
    return { bindings: this.#bindings, arena: this.#arena };
  }

  #transform(transform: Transform): void {
    const arena = this.#arena;
    const { rows, classes, targets, given } = this.#block;
    const { dtype, logits } = given;
    const { scale, cap = 0 } = transform;
    if (isInPlace(dtype, transform)) {
      this.#block = { ...this.#block, scale };
    } else if (dtype === 'float64' || evaluatedDType(dtype, transform) === 'float64') {
      const out = arena.allocate(rows * classes * 8);
      this.#bindings.transform(dtype, { logits, count: rows * classes, scale, cap, out });
      this.#block = { ...this.#block, dtype: 'float64', logits: out };
    } else {
      const offsets = arena.allocate(rows * RowOffsetsLayout.bytes);
      const givenRows = arena.allocate(rows * GivenRowsLayout.bytes);
      const out = arena.allocate(rows * classes * 4);
      this.#bindings.softcap(dtype, { logits, rows, classes, targets, scale, cap, offsets, given: givenRows, out });
      this.#block = { ...this.#block, dtype: 'float32', logits: out, offsets, givenRows };
    }
  }

  #placeProbabilities({ dtype, data }: { dtype: FloatDType; data: Uint8Array }): void {
    const { rows, classes, targets, weights } = this.#block;
    if (data.byteLength !== rows * classes * DTYPE_BYTES[dtype]) {
      throw new RangeError(`probabilities of ${rows} × ${classes} ${dtype} do not have ${data.byteLength} bytes`);
    }
    const masses = this.#arena.allocate(rows * RowMassesLayout.bytes);
    const probabilities = this.#arena.allocate(rows * classes * 8);
    this.#arena.temporary(0, () => {
      const { dtype: placed, logits: received } = placeElements(this.#memory(), dtype, data);
      this.#bindings.probabilities(placed, { received, rows, classes, targets, weights, probabilities, masses });
    });
    this.#block = { ...this.#block, probabilities, masses };
  }

  /** Results about the probabilities. */
  probabilities(): RowProbabilities {
    const { rows, targets, masses } = this.#block;
    return { targets: this.#arena.i32(targets, rows).slice(), ...readRowMasses(this.#arena, masses, rows) };
  }

  /**
   * Evaluates the rows.
   * @returns counts and maximum of the logits as received; lse, target logit and nll of the transformed logits
   */
  forward(): RowBlock {
    const { dtype, rows, classes, logits, targets, scale, offsets, results } = this.#block;
    this.#bindings.forward(dtype, { logits, rows, classes, stride: classes, targets, scale, offsets, results });
    return this.#readResults(0, classes);
  }

  /**
   * Evaluates a part of every row, as if it had no other columns.
   * @param targets classes within the part
   */
  forwardColumns(first: number, count: number, targets: Int32Array): RowBlock {
    const { dtype, rows, classes, logits, scale, offsets, results } = this.#block;
    this.#arena.temporary(targets.byteLength, (targetsAt) => {
      this.#arena.i32(targetsAt, rows).set(targets);
      this.#bindings.forward(dtype, {
        logits: logits + first * DTYPE_BYTES[dtype],
        rows,
        classes: count,
        stride: classes,
        targets: targetsAt,
        scale,
        offsets,
        results,
      });
    });
    return this.#readResults(first, count);
  }

  /** Replaces the results of `forward` by results that were merged from parts of the rows. */
  setSums({ lse, targetLogit, nll, reference, logSum }: RowSums): void {
    const { results, scale } = this.#block;
    const offsets = this.#offsets();
    const stored = reference.map((x, row) => (x - (offsets?.[row] ?? 0)) / scale);
    this.#store(results, RowBlockLayout, { lse, targetLogit, nll, reference: stored, logSum });
  }

  /** Evaluates the rows, and the gradient with respect to the received logits. The gradient stays in memory. */
  forwardWithGradient({ t, b, z }: GradientCoefficients): RowBlock {
    const block = this.#block;
    const { dtype, rows, classes, logits, targets, results, weights, probabilities, masses } = block;
    const coefficients = this.#arena.allocate(rows * GradientCoefficientsLayout.bytes);
    // The kernel's gradient is with respect to x. In float32 the coefficients include the scale, a factor of the chain
    // rule.
    const slope = dtype === 'float64' ? 1 : (block.transform?.scale ?? 1);
    const scaled = (column: Float64Array): Float64Array => column.map((value) => value * slope);
    const columns = slope === 1 ? { t, b, z } : { t: scaled(t), b: scaled(b), z: scaled(z) };
    this.#store(coefficients, GradientCoefficientsLayout, columns);
    const scales = this.#arena.allocate(rows * 8);
    const gradients = this.#arena.allocate(rows * classes * (dtype === 'float64' ? 8 : 4));
    this.#bindings.gradient(dtype, {
      logits,
      rows,
      classes,
      targets,
      scale: block.scale,
      offsets: block.offsets,
      results,
      coefficients,
      weights,
      unit: classUnit(classes),
      relativeWeight: this.#relativeWeight(),
      probabilities,
      masses,
      gradients,
      scales,
    });
    this.#chain(gradients);
    this.#block = { ...block, gradients, scales };
    return this.#readResults(0, classes);
  }

  /** Converts the gradient with respect to x to the gradient with respect to the logits. */
  #chain(gradients: number): void {
    const { dtype, rows, classes, given, transform, offsets } = this.#block;
    if (transform === undefined) return;
    const { scale, cap = 0 } = transform;
    const parameters = { logits: given.logits, count: rows * classes, scale, cap, gradients };
    if (dtype === 'float64') this.#bindings.chain(given.dtype, parameters);
    else if (offsets !== 0 && given.dtype !== 'float64') this.#bindings.softcapChain(given.dtype, parameters);
  }

  /**
   * Gradient, rounded to a dtype: (rows, classes) elements.
   * @param into buffer that receives the gradient if it fits; allocation costs more than the copy
   */
  gradient(dtype: FloatDType, into?: ArrayBuffer): Uint8Array<ArrayBuffer> {
    const { rows, classes, gradients, scales } = this.#block;
    return roundedGradient(
      this.#memory(),
      { rows, classes, gradients, scales, computed: this.#gradientDType() },
      dtype,
      into,
    );
  }

  /** √Σ_c g_c² of each row of the gradient. */
  gradientNorms(): Float64Array<ArrayBuffer> {
    const { gradients, rows, classes, scales } = this.#block;
    return this.#column((out) =>
      this.#bindings.norms(this.#gradientDType(), { gradients, rows, classes, scales, out }),
    );
  }

  #gradientDType(): 'float32' | 'float64' {
    return this.#block.dtype === 'float64' ? 'float64' : 'float32';
  }

  /**
   * −Σ_c v_c·p_c·log s_c of each evaluated row, with v = 1, and with v = w if the classes have weights. A class of
   * probability 0 adds nothing.
   */
  crossEntropy(): { nll: Float64Array<ArrayBuffer>; weighted: Float64Array<ArrayBuffer> | undefined } {
    const { dtype, rows, classes, logits, targets, scale, offsets, results, probabilities, weights } = this.#block;
    return this.#arena.temporary(rows * CrossEntropiesLayout.bytes, (out) => {
      this.#bindings.crossEntropy(dtype, {
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
      });
      const { nll, weighted } = readCrossEntropies(this.#arena, out, rows);
      return { nll, weighted: weights === 0 ? undefined : weighted };
    });
  }

  /**
   * Maximum of each row and its index, the lowest on ties; and the rank of the target. The rank is the number of
   * classes before the target when sorted by value, then by index; −1 without a target or when it is NaN.
   */
  rank(): RowRanks {
    const block = this.#block;
    const { rows, given, transform, offsets } = block;
    if (transform === undefined || block.dtype === 'float64') return this.#rowsOf(block).rank();
    // A transform keeps the order of the logits, except where softcap is flat.
    const ranks = this.#rowsOf(given).rank();
    ranks.maximum.forEach((logit, row) => (ranks.maximum[row] = transformed(logit, transform)));
    if (offsets === 0) return ranks;
    for (let row = 0; row < rows; row++) {
      if (!this.#isFlatAt(ranks.maximum[row]!) && !this.#isTargetFlat(row)) continue;
      const own = this.#inFloat64(row, (one) => one.rank());
      ranks.predictions[row] = own.predictions[0]!;
      ranks.targetRank[row] = own.targetRank[0]!;
    }
    return ranks;
  }

  /** True where different logits may give the same x in float64: beyond cap·tanh 9. */
  #isFlatAt(x: number): boolean {
    return Math.abs(x) > this.#block.transform!.cap! * (1 - 3e-8);
  }

  #isTargetFlat(row: number): boolean {
    const { results, rows } = this.#block;
    return this.#isFlatAt(this.#arena.f64(results + rows * RowBlockLayout.targetLogit, rows)[row]!);
  }

  /** Transforms one row to float64 and reads it as a block of its own. */
  #inFloat64<R>(row: number, read: (one: PlacedRows) => R): R {
    const { classes: count, given, transform, targets } = this.#block;
    const { scale, cap = 0 } = transform!;
    return this.#arena.temporary(count * 8, (out) => {
      const logits = given.logits + row * count * DTYPE_BYTES[given.dtype];
      this.#bindings.transform(given.dtype, { logits, count, scale, cap, out });
      return read(this.#rowsOf({ dtype: 'float64', logits: out }, { rows: 1, targets: targets + row * 4 }));
    });
  }

  /** Rank of the target of one row, see `rank`. */
  rankOfRow(row: number): number {
    const { given, offsets } = this.#block;
    if (offsets !== 0 && this.#isTargetFlat(row)) return this.#inFloat64(row, (one) => one.rankOfRow(0));
    return this.#rowsOf(offsets === 0 ? this.#block : given).rankOfRow(row);
  }

  /**
   * Surveys the values of the block as received.
   * @param badInColumn array to which the number of non-finite values in each column is added, over the rows that are
   *   not left out
   */
  survey(badInColumn: Int32Array<SharedArrayBuffer>): BlockSurvey {
    const { rows, classes, targets, given } = this.#block;
    const counts = HISTOGRAM_BINS + 1 + classes;
    return this.#arena.temporary(counts * 4, (histogram) =>
      this.#arena.temporary(rows * RowSurveyLayout.bytes, (out) => {
        this.#bindings.survey(given.dtype, { logits: given.logits, rows, classes, targets, histogram, out });
        const columns = this.#arena.u32(histogram + (HISTOGRAM_BINS + 1) * 4, classes);
        for (let column = 0; column < classes; column++) {
          if (columns[column]! > 0) Atomics.add(badInColumn, column, columns[column]!);
        }
        return {
          ...readRowSurvey(this.#arena, out, rows),
          exponents: this.#arena.u32(histogram, HISTOGRAM_BINS).slice(),
          zeros: this.#arena.u32(histogram + HISTOGRAM_BINS * 4, 1)[0]!,
        };
      }),
    );
  }

  /** Σ_c w_c·(lse − x_c) / classUnit of each evaluated row. A class of weight 0 adds nothing. */
  uniformNll(): Float64Array<ArrayBuffer> {
    const { dtype, classes, rows, logits, targets, scale, offsets, results, weights } = this.#block;
    const unit = classUnit(classes);
    const relativeWeight = this.#relativeWeight();
    return this.#column((out) =>
      this.#bindings.uniform(dtype, {
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
      }),
    );
  }

  /** Σ_c w_c / classUnit */
  #relativeWeight(): number {
    const { weights, classes } = this.#block;
    const unit = classUnit(classes);
    return weights === 0 ? classes / unit : this.#bindings.sum('float64', { weights, count: classes, unit });
  }

  /** Runs a kernel that stores a column and needs only the rows and their results. */
  column(kernel: ColumnKernel): Float64Array<ArrayBuffer> {
    const { dtype, classes, rows, logits, scale, targets, results } = this.#block;
    return this.#column((out) => {
      const given = { logits, rows, classes, scale, targets, results, out };
      this.#bindings[kernel](dtype, given);
    });
  }

  /** Moments of the softmax of each evaluated row, over the classes other than the target. */
  softmaxMoments(): SoftmaxMoments {
    const { dtype, rows, classes, logits, targets, scale, results, weights } = this.#block;
    return this.#arena.temporary(rows * SoftmaxMomentsLayout.bytes, (out) => {
      this.#bindings.softmaxMoments(dtype, { logits, rows, classes, targets, scale, results, weights, out });
      return readSoftmaxMoments(this.#arena, out, rows);
    });
  }

  /** Reads the results of `forward`. With a transform, maximum and counts describe the logits before it. */
  #readResults(first: number, count: number): RowBlock {
    const { rows, classes, logits: placed, results, given, scale, givenRows } = this.#block;
    const read = readRowBlock(this.#arena, results, rows);
    const offsets = this.#offsets();
    if (scale !== 1 || offsets !== undefined) {
      read.reference.forEach((v, row) => (read.reference[row] = (offsets?.[row] ?? 0) + scale * v));
    }
    if (placed === given.logits) return read;
    if (givenRows !== 0 && count === classes) return { ...read, ...readGivenRows(this.#arena, givenRows, rows) };
    return this.#arena.temporary(rows * (RowBlockLayout.bytes + 4), (scanned) => {
      const targets = scanned + rows * RowBlockLayout.bytes;
      this.#arena.i32(targets, rows).fill(LEFT_OUT);
      const logits = given.logits + first * DTYPE_BYTES[given.dtype];
      this.#bindings.forward(given.dtype, {
        logits,
        rows,
        classes: count,
        stride: classes,
        targets,
        scale: 1,
        offsets: 0,
        results: scanned,
      });
      const { maximum, nanCount, posInfCount, negInfCount } = readRowBlock(this.#arena, scanned, rows);
      return { ...read, maximum, nanCount, posInfCount, negInfCount };
    });
  }

  /** Offsets of the rows; undefined when they have none. */
  #offsets(): Float64Array | undefined {
    const { offsets, rows } = this.#block;
    return offsets === 0 ? undefined : readRowOffsets(this.#arena, offsets, rows).offset;
  }

  /** Runs a kernel that stores one float64 per row. */
  #column(run: (out: number) => void): Float64Array<ArrayBuffer> {
    const { rows } = this.#block;
    return this.#arena.temporary(rows * 8, (out) => {
      run(out);
      return this.#arena.f64(out, rows).slice();
    });
  }

  /** Stores columns of float64 at their offsets. */
  #store<Name extends string>(
    at: number,
    layout: Readonly<Record<NoInfer<Name>, number>>,
    columns: Record<Name, Float64Array>,
  ): void {
    const { rows } = this.#block;
    for (const name of Object.keys(columns) as Name[])
      this.#arena.f64(at + rows * layout[name], rows).set(columns[name]);
  }

  /** Releases the block. Replaces the memory when it exceeds KEPT_BYTES, because WebAssembly memory cannot shrink. */
  release(): void {
    this.#block = NOTHING;
    if (this.#arena.byteLength <= KEPT_BYTES) return;
    const { bindings, memory } = this.#make();
    this.#bindings = bindings;
    this.#arena = new Arena(memory, bindings.heapBase());
  }
}
