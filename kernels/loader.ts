import { readFileSync } from 'node:fs';
import type { FloatDType } from '../src/tensor/dtype.ts';
import { DTYPE_BYTES } from '../src/tensor/dtype.ts';

/** `relaxed` fuses multiply-adds and is about 1.6 times as fast; `strict` has the same bits on every machine. */
export type Variant = 'relaxed' | 'strict';

/** Target of a row without a class to score: its lse is computed, its nll is 0. */
export const NO_TARGET = -1;

/** Target of a row that is left out: only its non-finite values are counted. */
export const LEFT_OUT = -2;

/** Kinds of non-finite values, as bits. */
export const NonFinite = { nan: 1, posInf: 2, negInf: 4, any: 7 } as const;

/** What is done to logits before anything else: x = cap·tanh(scale·logit / cap), or scale·logit without a cap. */
export interface Transform {
  scale: number;
  cap: number | undefined;
}

/** What the kernel says of each row of a block. All arrays have an entry per row. */
export interface RowBlock {
  /** log Σ exp of the row's logits. */
  lse: Float64Array<ArrayBuffer>;
  /** The logit at the target; 0 without one. */
  targetLogit: Float64Array<ArrayBuffer>;
  /** −log softmax at the target; 0 without one. */
  nll: Float64Array<ArrayBuffer>;
  nanCount: Int32Array<ArrayBuffer>;
  posInfCount: Int32Array<ArrayBuffer>;
  negInfCount: Int32Array<ArrayBuffer>;
}

type Forward = (logits: number, rows: number, classes: number, targets: number, out: number) => void;
type Find = (row: number, from: number, classes: number, kinds: number) => number;
type TransformKernel = (logits: number, elements: number, scale: number, cap: number, out: number) => void;
/** A kernel over the rows of a block that was evaluated before. */
type RowKernel = (logits: number, rows: number, classes: number, given: number, out: number) => void;

const PREFIX = { float16: 'f16', bfloat16: 'bf16', float32: 'f32', float64: 'f64' } as const;
type Prefix = (typeof PREFIX)[FloatDType];

type Exports = Record<`${Prefix}_forward`, Forward> &
  Record<`${Prefix}_find`, Find> &
  Record<`${Prefix}_transform`, TransformKernel> &
  Record<`${Prefix}_${'rank' | 'weighted_sum' | 'entropy'}`, RowKernel> & {
    memory: WebAssembly.Memory;
    heap_base(): number;
    multiply_add_is_fused(): number;
  };

const PAGE_BYTES = 65536;

/** Three float64 and three int32 per row. */
const BYTES_PER_RESULT = 36;

/** A block in the kernels' memory: addresses in bytes. */
interface Block {
  dtype: FloatDType;
  classes: number;
  rows: number;
  logitsAt: number;
  /** The logits as they came: those that were transformed stand elsewhere. */
  given: { dtype: FloatDType; logitsAt: number };
  targetsAt: number;
  outAt: number;
  /** Where memory is free again. */
  endAt: number;
}

/**
 * The WebAssembly kernels on a memory of their own, which this class alone manages: one block of rows at a time is
 * copied in, evaluated, and its results are copied out. Not shared between threads.
 */
export class Kernel {
  readonly variant: Variant;
  readonly #exports: Exports;
  /** The block that was evaluated last: its logits, targets and results stay in memory for what follows on it. */
  #block: Block = {
    ...{ dtype: 'float32', classes: 0, rows: 0, logitsAt: 0, targetsAt: 0, outAt: 0, endAt: 0 },
    given: { dtype: 'float32', logitsAt: 0 },
  };

  private constructor(variant: Variant, exports: Exports) {
    this.variant = variant;
    this.#exports = exports;
  }

  /**
   * `auto` takes the relaxed variant where the engine has relaxed SIMD and the machine fuses multiply-adds.
   * @throws Error when the variant asked for cannot run here.
   */
  static load(preference: Variant | 'auto' = 'auto'): Kernel {
    if (preference !== 'strict') {
      const bytes = readVariant('relaxed');
      if (WebAssembly.validate(bytes)) {
        const exports = instantiate(bytes);
        if (preference === 'relaxed' || exports.multiply_add_is_fused() !== 0) return new Kernel('relaxed', exports);
      } else if (preference === 'relaxed') {
        throw new Error('the relaxed kernel was asked for, but this engine does not have WebAssembly relaxed SIMD');
      }
    }
    return new Kernel('strict', instantiate(readVariant('strict')));
  }

  /** Name of the kernel that evaluates a dtype, as answers report it. */
  name(dtype: FloatDType): string {
    return `${PREFIX[dtype]}-${this.variant}-simd`;
  }

  /**
   * Evaluates a block of whole rows. With a transform it is evaluated in float64.
   * @param logits (rows, classes) elements of `dtype`, row-major, at any alignment
   * @param targets per row the class to score, NO_TARGET or LEFT_OUT
   * @returns counts of the logits as they came; lse, target logit and nll of them transformed
   */
  forward(
    dtype: FloatDType,
    logits: Uint8Array,
    classes: number,
    targets: Int32Array,
    transform?: Transform,
  ): RowBlock {
    const rows = targets.length;
    if (logits.byteLength !== rows * classes * DTYPE_BYTES[dtype]) {
      throw new RangeError(`a block of ${rows} × ${classes} ${dtype} does not have ${logits.byteLength} bytes`);
    }
    const logitsAt = align(this.#exports.heap_base());
    const targetsAt = align(logitsAt + logits.byteLength);
    const outAt = align(targetsAt + rows * 4);
    const transformedAt = align(outAt + rows * BYTES_PER_RESULT);
    const transformedBytes = transform === undefined ? 0 : rows * classes * 8;
    const endAt = align(transformedAt + transformedBytes);
    this.#reserve(endAt);
    const { buffer } = this.#exports.memory;
    new Uint8Array(buffer).set(logits, logitsAt);
    const targetsView = new Int32Array(buffer, targetsAt, rows);
    const given = { dtype, logitsAt };
    if (transform === undefined) {
      targetsView.set(targets);
      this.#exports[`${PREFIX[dtype]}_forward`](logitsAt, rows, classes, targetsAt, outAt);
      this.#block = { dtype, classes, rows, logitsAt, given, targetsAt, outAt, endAt };
      return { ...this.#readSums(outAt, rows), ...this.#readCounts(outAt, rows) };
    }
    // The logits as they came are scanned only: for their counts.
    targetsView.fill(LEFT_OUT);
    this.#exports[`${PREFIX[dtype]}_forward`](logitsAt, rows, classes, targetsAt, outAt);
    const counts = this.#readCounts(outAt, rows);
    const { scale, cap = 0 } = transform;
    this.#exports[`${PREFIX[dtype]}_transform`](logitsAt, rows * classes, scale, cap, transformedAt);
    targetsView.set(targets);
    this.#exports.f64_forward(transformedAt, rows, classes, targetsAt, outAt);
    this.#block = { dtype: 'float64', classes, rows, logitsAt: transformedAt, given, targetsAt, outAt, endAt };
    return { ...this.#readSums(outAt, rows), ...counts };
  }

  /** The arrays that forward leaves, one after the other: see assembly/row.ts. */
  #readSums(outAt: number, rows: number): Pick<RowBlock, 'lse' | 'targetLogit' | 'nll'> {
    const { buffer } = this.#exports.memory;
    const f64 = (k: number): Float64Array<ArrayBuffer> => new Float64Array(buffer, outAt + k * rows * 8, rows).slice();
    return { lse: f64(0), targetLogit: f64(1), nll: f64(2) };
  }

  #readCounts(outAt: number, rows: number): Pick<RowBlock, 'nanCount' | 'posInfCount' | 'negInfCount'> {
    const { buffer } = this.#exports.memory;
    const i32 = (k: number): Int32Array<ArrayBuffer> =>
      new Int32Array(buffer, outAt + (24 + k * 4) * rows, rows).slice();
    return { nanCount: i32(0), posInfCount: i32(1), negInfCount: i32(2) };
  }

  /**
   * The first column at or after `from` of a row of the block evaluated last that holds a value of the given kinds;
   * −1 when there is none.
   */
  findNonFinite(row: number, from: number, kinds: number): number {
    const { classes, rows } = this.#block;
    const { dtype, logitsAt } = this.#block.given;
    if (row >= rows) throw new RangeError(`row ${row} is not in the block of ${rows} rows`);
    const rowAt = logitsAt + row * classes * DTYPE_BYTES[dtype];
    return this.#exports[`${PREFIX[dtype]}_find`](rowAt, from, classes, kinds);
  }

  /**
   * Of each row of the block evaluated last: the index of the maximum, the lowest on ties; and the number of classes
   * that come before the target when sorted by value, then by index, −1 without a target or where it is NaN.
   */
  rank(): { predictions: Int32Array<ArrayBuffer>; targetRank: Int32Array<ArrayBuffer> } {
    const { dtype, classes, rows, logitsAt, targetsAt, endAt } = this.#block;
    this.#reserve(endAt + rows * 8);
    this.#exports[`${PREFIX[dtype]}_rank`](logitsAt, rows, classes, targetsAt, endAt);
    const { buffer } = this.#exports.memory;
    return {
      predictions: new Int32Array(buffer, endAt, rows).slice(),
      targetRank: new Int32Array(buffer, endAt + rows * 4, rows).slice(),
    };
  }

  /**
   * Σ_c w_c·x_c of each row of the block evaluated last.
   * @param weights of the classes; 1 without
   */
  weightedSum(weights: Float64Array | undefined): Float64Array<ArrayBuffer> {
    const { dtype, classes, rows, logitsAt, endAt } = this.#block;
    const weightsAt = align(endAt + rows * 8);
    this.#reserve(weightsAt + (weights?.byteLength ?? 0));
    const { buffer } = this.#exports.memory;
    if (weights !== undefined) new Float64Array(buffer, weightsAt, classes).set(weights);
    const given = weights === undefined ? 0 : weightsAt;
    this.#exports[`${PREFIX[dtype]}_weighted_sum`](logitsAt, rows, classes, given, endAt);
    return new Float64Array(buffer, endAt, rows).slice();
  }

  /** The entropy of each row's softmax, in nats, of the block evaluated last; NaN where lse is not finite. */
  entropy(): Float64Array<ArrayBuffer> {
    const { dtype, classes, rows, logitsAt, outAt, endAt } = this.#block;
    this.#reserve(endAt + rows * 8);
    this.#exports[`${PREFIX[dtype]}_entropy`](logitsAt, rows, classes, outAt, endAt);
    return new Float64Array(this.#exports.memory.buffer, endAt, rows).slice();
  }

  #reserve(bytes: number): void {
    const { memory } = this.#exports;
    const missing = bytes - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
  }
}

function readVariant(variant: Variant): Buffer<ArrayBuffer> {
  return readFileSync(new URL(`./build/${variant}.wasm`, import.meta.url));
}

function instantiate(bytes: Buffer<ArrayBuffer>): Exports {
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), {}).exports as Exports;
}

function align(address: number): number {
  return Math.ceil(address / 16) * 16;
}
