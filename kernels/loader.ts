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

const PREFIX = { float16: 'f16', bfloat16: 'bf16', float32: 'f32', float64: 'f64' } as const;
type Prefix = (typeof PREFIX)[FloatDType];

type Exports = Record<`${Prefix}_forward`, Forward> &
  Record<`${Prefix}_find`, Find> & {
    memory: WebAssembly.Memory;
    heap_base(): number;
    multiply_add_is_fused(): number;
  };

const PAGE_BYTES = 65536;

/** Largest block of logits that fits the kernels' 32-bit memory beside its results. */
export const MAX_BLOCK_BYTES = 2 ** 31;

/**
 * The WebAssembly kernels on a memory of their own, which this class alone manages: one block of rows at a time is
 * copied in, evaluated, and its results are copied out. Not shared between threads.
 */
export class Kernel {
  readonly variant: Variant;
  readonly #exports: Exports;
  /** The current block, for findNonFinite. */
  #block: { dtype: FloatDType; classes: number; rows: number } = { dtype: 'float32', classes: 0, rows: 0 };

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
   * Evaluates a block of whole rows.
   * @param logits (rows, classes) elements of `dtype`, row-major, at any alignment
   * @param targets per row the class to score, NO_TARGET or LEFT_OUT
   */
  forward(dtype: FloatDType, logits: Uint8Array, classes: number, targets: Int32Array): RowBlock {
    const rows = targets.length;
    if (logits.byteLength !== rows * classes * DTYPE_BYTES[dtype]) {
      throw new RangeError(`a block of ${rows} × ${classes} ${dtype} does not have ${logits.byteLength} bytes`);
    }
    const logitsAt = align(this.#exports.heap_base());
    const targetsAt = align(logitsAt + logits.byteLength);
    const outAt = align(targetsAt + rows * 4);
    this.#reserve(outAt + rows * 36);
    const { buffer } = this.#exports.memory;
    new Uint8Array(buffer).set(logits, logitsAt);
    new Int32Array(buffer, targetsAt, rows).set(targets);
    this.#exports[`${PREFIX[dtype]}_forward`](logitsAt, rows, classes, targetsAt, outAt);
    this.#block = { dtype, classes, rows };

    const f64 = (k: number): Float64Array<ArrayBuffer> => new Float64Array(buffer, outAt + k * rows * 8, rows).slice();
    const i32 = (k: number): Int32Array<ArrayBuffer> =>
      new Int32Array(buffer, outAt + (24 + k * 4) * rows, rows).slice();
    return {
      lse: f64(0),
      targetLogit: f64(1),
      nll: f64(2),
      nanCount: i32(0),
      posInfCount: i32(1),
      negInfCount: i32(2),
    };
  }

  /**
   * The first column at or after `from` of a row of the block evaluated last that holds a value of the given kinds;
   * −1 when there is none.
   */
  findNonFinite(row: number, from: number, kinds: number): number {
    const { dtype, classes, rows } = this.#block;
    if (row >= rows) throw new RangeError(`row ${row} is not in the block of ${rows} rows`);
    const rowAt = align(this.#exports.heap_base()) + row * classes * DTYPE_BYTES[dtype];
    return this.#exports[`${PREFIX[dtype]}_find`](rowAt, from, classes, kinds);
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
