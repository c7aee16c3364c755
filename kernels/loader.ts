import type { FloatDType } from '../src/tensor/dtype.ts';
import { DTYPE_BYTES } from '../src/tensor/dtype.ts';
import { PREFIX, compile } from './instance.ts';
import type { Exports, Variant } from './instance.ts';

export type { Variant } from './instance.ts';

/** Target of a row without a class to score: its lse is computed, its nll is 0. */
export const NO_TARGET = -1;

/** Target of a row that is left out: only its non-finite values are counted. */
export const LEFT_OUT = -2;

/** Pattern of the names of kernels. */
export const KERNEL_PATTERN = '^(f16|bf16|f32|f64)-(relaxed|strict)-simd$';

/**
 * The least power of two that is at least a number of classes. Sums over classes are relative to it, which loses no
 * digit: they overflow only if their mean does.
 */
export function classUnit(classes: number): number {
  return 2 ** Math.ceil(Math.log2(classes));
}

/** Kinds of non-finite values, as bits. */
export const NonFinite = { nan: 1, posInf: 2, negInf: 4, any: 7 } as const;

/** Validity flags of a row of class probabilities, as bits. */
export const Odd = { notOne: 1, negative: 2, nonFinite: 4 } as const;

/** Greatest distance from 1 of a valid row's sum of probabilities, as in assembly/probabilities.ts. */
export const SUM_TOLERANCE = 1e-3;

/** First step on logits: x = cap·tanh(scale·logit / cap), or scale·logit without a cap. */
export interface Transform {
  scale: number;
  cap: number | undefined;
}

/** Bytes outside the memory, such as in a file. They are read directly into the kernels' memory. */
export interface ByteSource {
  readonly byteLength: number;
  /** Fills the target, or throws. */
  readInto(target: Uint8Array): void;
}

/** A block of whole rows. */
export interface KernelBlock {
  dtype: FloatDType;
  classes: number;
  /** (rows, classes) elements of `dtype`, row-major, at any alignment. */
  logits: Uint8Array | ByteSource;
  /** Class to score per row, NO_TARGET or LEFT_OUT. With probabilities the most probable class replaces it. */
  targets: Int32Array;
  /** With a transform the block is evaluated in float64. */
  transform?: Transform | undefined;
  /** Class probabilities, shaped like the logits. */
  probabilities?: { dtype: FloatDType; data: Uint8Array } | undefined;
  /** Weights of the classes; 1 without. */
  weights?: Float64Array | undefined;
}

/** Results of a block. All arrays have an entry per row. */
export interface RowBlock {
  /** log Σ exp of the row's logits. */
  lse: Float64Array<ArrayBuffer>;
  /** The logit at the target; 0 without one. */
  targetLogit: Float64Array<ArrayBuffer>;
  /** −log softmax at the target; 0 without one. */
  nll: Float64Array<ArrayBuffer>;
  /** The greatest finite logit, before any transform; −Infinity when none is finite. */
  maximum: Float64Array<ArrayBuffer>;
  /** A logit r of the row, at most about 22 below its maximum. lse = r + log S, rounded to the size of r. */
  reference: Float64Array<ArrayBuffer>;
  /** log S with S = Σ exp(x − r). The softmax is exp(x − r)·exp(−log S), for any size of r. */
  logSum: Float64Array<ArrayBuffer>;
  nanCount: Int32Array<ArrayBuffer>;
  posInfCount: Int32Array<ArrayBuffer>;
  negInfCount: Int32Array<ArrayBuffer>;
}

/** Results about the logits as received, before any transform. */
type Given = Pick<RowBlock, 'maximum' | 'nanCount' | 'posInfCount' | 'negInfCount'>;

/** Results about the transformed logits. */
type RowSums = Omit<RowBlock, keyof Given>;

/** Results about class probabilities that need no logits; arrays with an entry per row. */
export interface RowProbabilities {
  /** The most probable class, the first of equals; LEFT_OUT stays. */
  targets: Int32Array<ArrayBuffer>;
  /** Σ_c w_c·p_c */
  masses: Float64Array<ArrayBuffer>;
  /** Σ_c p_c */
  sums: Float64Array<ArrayBuffer>;
  /** Bits of Odd. */
  odd: Int32Array<ArrayBuffer>;
}

/** Per row t, b and z of the gradient t·(Σ_k w_k p_k·s_c − w_c p_c) + b·(Σ_k w_k·s_c − w_c) + z·lse·s_c. */
export interface GradientCoefficients {
  /** Includes the weight of the target for class indices, where p is 1. */
  t: Float64Array;
  b: Float64Array;
  z: Float64Array;
}

/**
 * Moments of each row over the classes c other than the target. q is the softmax of these classes, Σ q = 1, and w their
 * weights, 1 without. The gradient of such a class is A·q_c − b·w_c = A·(q_c − α·w_c) + (A·α − b)·w_c.
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

/** Norms, extremes and counts of the values of a block. */
export interface BlockSurvey {
  /** Per row: √Σ x² over finite values, and their maximum and minimum; −Infinity and Infinity when none is finite. */
  norms: Float64Array<ArrayBuffer>;
  maximum: Float64Array<ArrayBuffer>;
  minimum: Float64Array<ArrayBuffer>;
  nanCount: Int32Array<ArrayBuffer>;
  posInfCount: Int32Array<ArrayBuffer>;
  negInfCount: Int32Array<ArrayBuffer>;
  /**
   * Counts over the rows that are not left out: finite values other than 0 by their exponent field as float64 (⌊log2
   * |x|⌋ + 1023; 0 for values that are subnormal there), and zeros.
   */
  exponents: Uint32Array<ArrayBuffer>;
  zeros: number;
}

/** Number of exponent fields of float64. */
export const HISTOGRAM_BINS = 2048;

/** Bytes of a row's survey: three float64 and three int32. */
const BYTES_PER_SURVEY = 36;

const PAGE_BYTES = 65536;

/** Memory kept between blocks: a slab of float16 with its gradient in float64 takes about 30 MB. */
export const KEPT_BYTES = 64 * 2 ** 20;

/** Bytes of a row's results: six float64 and three int32. */
const BYTES_PER_RESULT = 60;

/** Indices of the float64 columns of the results, in the order of assembly/row.ts; the counts follow them. */
const RESULT = { lse: 0, targetLogit: 1, nll: 2, maximum: 3, reference: 4, logSum: 5, counts: 6 } as const;

/** Numbers of the dtypes of a rounded gradient, as the exports expect them. */
const NARROW = { float32: 0, float16: 1, bfloat16: 2 } as const;

/** Addresses of the parts of a block in the kernels' memory, in bytes; 0 for an absent part. */
interface Placed {
  dtype: FloatDType;
  classes: number;
  rows: number;
  logits: number;
  /** Address of the logits before the transform. */
  given: { dtype: FloatDType; logits: number };
  transform: Transform | undefined;
  targets: number;
  results: number;
  weights: number;
  probabilities: number;
  masses: number;
  gradient: number;
  /** Powers of two by which the rows of the gradient have to be multiplied. */
  scales: number;
}

const NOTHING: Placed = {
  ...{ dtype: 'float32', classes: 0, rows: 0, logits: 0, transform: undefined, targets: 0, results: 0 },
  ...{ weights: 0, probabilities: 0, masses: 0, gradient: 0, scales: 0 },
  given: { dtype: 'float32', logits: 0 },
};

/**
 * WebAssembly kernels with their own memory, which only this class manages. It places a block of rows in the memory,
 * evaluates it, and copies the results out. Not shared between threads.
 */
export class Kernel {
  readonly variant: Variant;
  #exports: Exports;
  /** Creates an instance with new memory. */
  readonly #renew: () => Exports;
  /** Address at which free memory begins. */
  #free: number;
  #block = NOTHING;

  private constructor({ variant, make }: { variant: Variant; make: () => Exports }) {
    this.variant = variant;
    this.#renew = make;
    this.#exports = make();
    this.#free = this.#exports.heap_base();
  }

  /** @throws Error when this machine cannot run the requested variant */
  static load(preference: Variant | 'auto' = 'auto'): Kernel {
    return new Kernel(compile(preference));
  }

  /** Name of the kernel for a dtype, for answers. */
  name(dtype: FloatDType): string {
    return `${PREFIX[dtype]}-${this.variant}-simd`;
  }

  /** Places a block in the memory, and drops the block before. All other methods are about the placed block. */
  place({ dtype, classes, logits, targets, transform, probabilities, weights }: KernelBlock): void {
    const rows = targets.length;
    if (logits.byteLength !== rows * classes * DTYPE_BYTES[dtype]) {
      throw new RangeError(`a block of ${rows} × ${classes} ${dtype} does not have ${logits.byteLength} bytes`);
    }
    this.#free = this.#exports.heap_base();
    const given = { dtype, logits: this.#bringIn(logits) };
    this.#block = {
      ...NOTHING,
      ...{ dtype, classes, rows, logits: given.logits, given, transform },
      targets: this.#copyIn(targets),
      results: this.#allocate(rows * BYTES_PER_RESULT),
      weights: weights === undefined ? 0 : this.#copyIn(weights),
    };
    if (transform !== undefined) {
      const transformed = this.#allocate(rows * classes * 8);
      const { scale, cap = 0 } = transform;
      this.#exports[`${PREFIX[dtype]}_transform`](given.logits, rows * classes, scale, cap, transformed);
      this.#block = { ...this.#block, dtype: 'float64', logits: transformed };
    }
    if (probabilities !== undefined) this.#placeProbabilities(probabilities);
  }

  #placeProbabilities({ dtype, data }: { dtype: FloatDType; data: Uint8Array }): void {
    const { rows, classes, targets, weights } = this.#block;
    if (data.byteLength !== rows * classes * DTYPE_BYTES[dtype]) {
      throw new RangeError(`probabilities of ${rows} × ${classes} ${dtype} do not have ${data.byteLength} bytes`);
    }
    const masses = this.#allocate(rows * 20);
    const probabilitiesAt = this.#allocate(rows * classes * 8);
    const given = this.#copyIn(data);
    this.#exports[`${PREFIX[dtype]}_probabilities`](given, rows, classes, targets, weights, probabilitiesAt, masses);
    // Frees the probabilities as received, because the kernel has read them.
    this.#free = given;
    this.#block = { ...this.#block, probabilities: probabilitiesAt, masses };
  }

  /** Results about the probabilities. */
  probabilities(): RowProbabilities {
    const { rows, targets, masses } = this.#block;
    return {
      targets: this.#readI32(targets, rows),
      masses: this.#readF64(masses, rows),
      sums: this.#readF64(masses + rows * 8, rows),
      odd: this.#readI32(masses + rows * 16, rows),
    };
  }

  /**
   * Evaluates the rows.
   * @returns counts and maximum of the logits as received; lse, target logit and nll of the transformed logits
   */
  forward(): RowBlock {
    const { dtype, rows, classes, logits, targets, results } = this.#block;
    this.#exports[`${PREFIX[dtype]}_forward`](logits, rows, classes, classes, targets, results);
    return { ...this.#readSums(), ...this.#counts(0, classes) };
  }

  /**
   * Evaluates a part of every row, as if it had no other columns.
   * @param targets classes within the part
   */
  forwardColumns(first: number, count: number, targets: Int32Array): RowBlock {
    const { dtype, rows, classes, logits, results } = this.#block;
    const mark = this.#free;
    const targetsAt = this.#copyIn(targets);
    const from = logits + first * DTYPE_BYTES[dtype];
    this.#exports[`${PREFIX[dtype]}_forward`](from, rows, count, classes, targetsAt, results);
    this.#free = mark;
    return { ...this.#readSums(), ...this.#counts(first, count) };
  }

  /** Stores results that were merged from parts of the rows, in place of the results of forward. */
  setSums({ lse, targetLogit, nll, reference, logSum }: RowSums): void {
    const { rows, results } = this.#block;
    for (const [name, column] of Object.entries({ lse, targetLogit, nll, reference, logSum })) {
      this.#f64(results + RESULT[name as keyof RowSums] * rows * 8, rows).set(column);
    }
  }

  /** Evaluates the rows, and the gradient with respect to the received logits. The gradient stays in memory. */
  forwardWithGradient({ t, b, z }: GradientCoefficients): RowBlock {
    const block = this.#block;
    const { dtype, rows, classes, logits, targets, results, given, transform } = block;
    const coefficients = this.#allocate(rows * 24);
    [t, b, z].forEach((column, k) => this.#f64(coefficients + k * rows * 8, rows).set(column));
    const scales = this.#allocate(rows * 8);
    const gradient = this.#allocate(rows * classes * (dtype === 'float64' ? 8 : 4));
    this.#exports[`${PREFIX[dtype]}_gradient`](
      ...[logits, rows, classes, targets, results, coefficients],
      ...[block.weights, classUnit(classes), this.#relativeWeight(), block.probabilities, block.masses],
      ...[gradient, scales],
    );
    if (transform !== undefined) {
      const { scale, cap = 0 } = transform;
      this.#exports[`${PREFIX[given.dtype]}_chain`](given.logits, rows * classes, scale, cap, gradient);
    }
    this.#block = { ...block, gradient, scales };
    return { ...this.#readSums(), ...this.#counts(0, classes) };
  }

  /** The gradient, rounded to a dtype: (rows, classes) elements. */
  gradient(dtype: FloatDType): Uint8Array<ArrayBuffer> {
    const { rows, classes, gradient, scales } = this.#block;
    const computed = this.#gradientDType();
    const rowScales = this.#f64(scales, rows);
    const isScaled = rowScales.some((scale) => scale !== 1);
    if (dtype === computed && !isScaled) return this.#readBytes(gradient, rows * classes * DTYPE_BYTES[dtype]);
    if (dtype === 'float64') throw new RangeError('a gradient that was computed in float32 is not float64');
    return this.#column(rows * classes * DTYPE_BYTES[dtype], (narrowed) => {
      const narrow = (first: number, count: number, scale: number): void => {
        const from = gradient + first * classes * DTYPE_BYTES[computed];
        const to = narrowed + first * classes * DTYPE_BYTES[dtype];
        this.#exports[`${PREFIX[computed]}_narrow`](from, count * classes, scale, NARROW[dtype], to);
      };
      // Reads the scales again: allocating may have moved the memory of rowScales.
      if (isScaled) this.#readF64(scales, rows).forEach((scale, row) => narrow(row, 1, scale));
      else narrow(0, rows, 1);
      return this.#readBytes(narrowed, rows * classes * DTYPE_BYTES[dtype]);
    });
  }

  /** √Σ_c g_c² of each row of the gradient. */
  gradientNorms(): Float64Array<ArrayBuffer> {
    const { rows, classes, gradient, scales } = this.#block;
    return this.#column(rows * 8, (out) => {
      this.#exports[`${PREFIX[this.#gradientDType()]}_norms`](gradient, rows, classes, scales, out);
      return this.#readF64(out, rows);
    });
  }

  #gradientDType(): 'float32' | 'float64' {
    return this.#block.dtype === 'float64' ? 'float64' : 'float32';
  }

  /**
   * −Σ_c v_c·p_c·log s_c of each evaluated row, with v = 1, and with v = w if the classes have weights. A class of
   * probability 0 adds nothing.
   */
  crossEntropy(): { nll: Float64Array<ArrayBuffer>; weighted: Float64Array<ArrayBuffer> | undefined } {
    const { dtype, rows, classes, logits, targets, results, probabilities, weights } = this.#block;
    return this.#column(rows * 16, (out) => {
      this.#exports[`${PREFIX[dtype]}_cross_entropy`](
        ...[logits, rows, classes, targets, results, probabilities, weights, out],
      );
      const weighted = weights === 0 ? undefined : this.#readF64(out + rows * 8, rows);
      return { nll: this.#readF64(out, rows), weighted };
    });
  }

  /**
   * The first column at or after `from` of a row with a value of the given kinds, in the logits as received; −1 when
   * there is none.
   */
  findNonFinite(row: number, from: number, kinds: number): number {
    const { classes, rows } = this.#block;
    const { dtype, logits } = this.#block.given;
    if (row >= rows) throw new RangeError(`row ${row} is not in the block of ${rows} rows`);
    return this.#exports[`${PREFIX[dtype]}_find`](logits + row * classes * DTYPE_BYTES[dtype], from, classes, kinds);
  }

  /** Kind of one received logit, a bit of NonFinite; 0 when it is finite. Reads only this logit. */
  nonFiniteKindOf(row: number, column: number): number {
    const { classes, given } = this.#block;
    const { dtype, logits } = given;
    const find = this.#exports[`${PREFIX[dtype]}_find`];
    const at = logits + row * classes * DTYPE_BYTES[dtype];
    for (const kind of [NonFinite.nan, NonFinite.posInf, NonFinite.negInf]) {
      if (find(at, column, column + 1, kind) === column) return kind;
    }
    return 0;
  }

  /**
   * Maximum of each row and its index, the lowest on ties; and the rank of the target. The rank is the number of
   * classes before the target when sorted by value, then by index; −1 without a target or when it is NaN.
   */
  rank(): {
    maximum: Float64Array<ArrayBuffer>;
    predictions: Int32Array<ArrayBuffer>;
    targetRank: Int32Array<ArrayBuffer>;
  } {
    const { dtype, classes, rows, logits, targets } = this.#block;
    return this.#column(rows * 16, (out) => {
      this.#exports[`${PREFIX[dtype]}_rank`](logits, rows, classes, targets, out);
      return {
        maximum: this.#readF64(out, rows),
        predictions: this.#readI32(out + rows * 8, rows),
        targetRank: this.#readI32(out + rows * 12, rows),
      };
    });
  }

  /** Rank of the target of one row, see `rank`. */
  rankOfRow(row: number): number {
    const { dtype, classes, logits, targets } = this.#block;
    const target = this.#readI32(targets + row * 4, 1)[0]!;
    return this.#exports[`${PREFIX[dtype]}_rank_of`](logits + row * classes * DTYPE_BYTES[dtype], classes, target);
  }

  /** Number of received logits of a row that equal a value. */
  countInRow(row: number, value: number): number {
    const { classes, given } = this.#block;
    const from = given.logits + row * classes * DTYPE_BYTES[given.dtype];
    return this.#exports[`${PREFIX[given.dtype]}_count`](from, classes, value);
  }

  /** Number of subnormals among the first `span` received logits of a row of float16. */
  subnormalsInRow(row: number, span: number): number {
    const { classes, given } = this.#block;
    if (given.dtype !== 'float16') throw new RangeError(`subnormal ${given.dtype} are not counted`);
    return this.#exports.f16_subnormals(given.logits + row * classes * 2, Math.min(span, classes));
  }

  /**
   * Surveys the values of the block as received.
   * @param badInColumn array to which the number of non-finite values in each column is added, over the rows that are
   *   not left out
   */
  survey(badInColumn: Int32Array<SharedArrayBuffer>): BlockSurvey {
    const { rows, classes, targets, given } = this.#block;
    const counts = HISTOGRAM_BINS + 1 + classes;
    return this.#column(counts * 4 + rows * BYTES_PER_SURVEY + 16, (histogram) => {
      const out = Math.ceil((histogram + counts * 4) / 8) * 8;
      this.#exports[`${PREFIX[given.dtype]}_survey`](given.logits, rows, classes, targets, histogram, out);
      const u32 = (at: number, length: number): Uint32Array<ArrayBuffer> =>
        new Uint32Array(this.#exports.memory.buffer, at, length).slice();
      const i32 = (k: number): Int32Array<ArrayBuffer> => this.#readI32(out + (24 + k * 4) * rows, rows);
      const columns = new Uint32Array(this.#exports.memory.buffer, histogram + (HISTOGRAM_BINS + 1) * 4, classes);
      for (let column = 0; column < classes; column++) {
        if (columns[column]! > 0) Atomics.add(badInColumn, column, columns[column]!);
      }
      return {
        norms: this.#readF64(out, rows),
        maximum: this.#readF64(out + rows * 8, rows),
        minimum: this.#readF64(out + rows * 16, rows),
        ...{ nanCount: i32(0), posInfCount: i32(1), negInfCount: i32(2) },
        exponents: u32(histogram, HISTOGRAM_BINS),
        zeros: u32(histogram + HISTOGRAM_BINS * 4, 1)[0]!,
      };
    });
  }

  /** Σ_c w_c·(lse − x_c) / classUnit of each evaluated row. A class of weight 0 adds nothing. */
  uniformNll(): Float64Array<ArrayBuffer> {
    const { dtype, classes, rows, logits, results, weights } = this.#block;
    return this.#column(rows * 8, (out) => {
      this.#exports[`${PREFIX[dtype]}_uniform`](
        ...[logits, rows, classes, results, weights, classUnit(classes), this.#relativeWeight(), out],
      );
      return this.#readF64(out, rows);
    });
  }

  /** Σ_c w_c / classUnit */
  #relativeWeight(): number {
    const { weights, classes } = this.#block;
    const unit = classUnit(classes);
    return weights === 0 ? classes / unit : this.#exports.f64_sum(weights, classes, unit);
  }

  /** Entropy of the softmax of each evaluated row, in nats; NaN where lse is not finite. */
  entropy(): Float64Array<ArrayBuffer> {
    const { dtype, classes, rows, logits, results } = this.#block;
    return this.#column(rows * 8, (out) => {
      this.#exports[`${PREFIX[dtype]}_entropy`](logits, rows, classes, results, out);
      return this.#readF64(out, rows);
    });
  }

  /** Moments of the softmax of each evaluated row, over the classes other than the target. */
  softmaxMoments(): SoftmaxMoments {
    const { dtype, rows, classes, logits, targets, results, weights } = this.#block;
    return this.#column(rows * 32, (out) => {
      this.#exports[`${PREFIX[dtype]}_softmax_moments`](logits, rows, classes, targets, results, weights, out);
      const read = (k: number): Float64Array<ArrayBuffer> => this.#readF64(out + k * rows * 8, rows);
      return { softmaxSpread: read(0), softmaxAlong: read(1), softmaxSlope: read(2), weightNorm: read(3) };
    });
  }

  /** Sums that forward stores, one array after the other: see assembly/row.ts. */
  #readSums(): RowSums {
    const { rows, results } = this.#block;
    const read = (name: keyof RowSums): Float64Array<ArrayBuffer> =>
      this.#readF64(results + RESULT[name] * rows * 8, rows);
    return {
      lse: read('lse'),
      targetLogit: read('targetLogit'),
      nll: read('nll'),
      reference: read('reference'),
      logSum: read('logSum'),
    };
  }

  /** Counts that forward stores; with a transform, counts of the logits before it. */
  #counts(first: number, count: number): Given {
    const { rows, classes, results, given, transform } = this.#block;
    if (transform === undefined) return this.#readCounts(results, rows);
    return this.#column(rows * (BYTES_PER_RESULT + 4), (scanned) => {
      const targets = scanned + rows * BYTES_PER_RESULT;
      new Int32Array(this.#exports.memory.buffer, targets, rows).fill(LEFT_OUT);
      const from = given.logits + first * DTYPE_BYTES[given.dtype];
      this.#exports[`${PREFIX[given.dtype]}_forward`](from, rows, count, classes, targets, scanned);
      return this.#readCounts(scanned, rows);
    });
  }

  #readCounts(results: number, rows: number): Given {
    const i32 = (k: number): Int32Array<ArrayBuffer> =>
      this.#readI32(results + (RESULT.counts * 8 + k * 4) * rows, rows);
    return {
      maximum: this.#readF64(results + RESULT.maximum * rows * 8, rows),
      nanCount: i32(0),
      posInfCount: i32(1),
      negInfCount: i32(2),
    };
  }

  #f64(at: number, length: number): Float64Array<ArrayBuffer> {
    return new Float64Array(this.#exports.memory.buffer, at, length);
  }

  #readF64(at: number, length: number): Float64Array<ArrayBuffer> {
    return this.#f64(at, length).slice();
  }

  #readI32(at: number, length: number): Int32Array<ArrayBuffer> {
    return new Int32Array(this.#exports.memory.buffer, at, length).slice();
  }

  #readBytes(at: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#exports.memory.buffer, at, length).slice();
  }

  /** Runs a kernel that writes to temporary memory, which is freed after its results are copied out. */
  #column<R>(bytes: number, run: (out: number) => R): R {
    const mark = this.#free;
    const result = run(this.#allocate(bytes));
    this.#free = mark;
    return result;
  }

  #bringIn(source: Uint8Array | ByteSource): number {
    if (source instanceof Uint8Array) return this.#copyIn(source);
    const at = this.#allocate(source.byteLength);
    source.readInto(new Uint8Array(this.#exports.memory.buffer, at, source.byteLength));
    return at;
  }

  #copyIn(values: Uint8Array | Int32Array | Float64Array): number {
    const at = this.#allocate(values.byteLength);
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    new Uint8Array(this.#exports.memory.buffer).set(bytes, at);
    return at;
  }

  /**
   * Releases the block. Replaces the memory when it has grown beyond ordinary blocks, because WebAssembly memory cannot
   * shrink.
   */
  release(): void {
    this.#block = NOTHING;
    if (this.#exports.memory.buffer.byteLength > KEPT_BYTES) this.#exports = this.#renew();
  }

  /** Allocates memory until the next block, and grows it when needed. */
  #allocate(bytes: number): number {
    const at = Math.ceil(this.#free / 16) * 16;
    this.#free = at + bytes;
    const { memory } = this.#exports;
    const missing = this.#free - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
    return at;
  }
}
