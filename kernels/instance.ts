import { readFileSync } from 'node:fs';
import type { FloatDType } from '../src/tensor/dtype.ts';

/** `relaxed` fuses multiply-adds and is about 1.6 times as fast; `strict` has the same bits on every machine. */
export type Variant = 'relaxed' | 'strict';

/** Prefix of a dtype in the names of the exports. */
export const PREFIX = { float16: 'f16', bfloat16: 'bf16', float32: 'f32', float64: 'f64' } as const;
type Prefix = (typeof PREFIX)[FloatDType];

/** A function of numbers: addresses in bytes, and sizes. assembly/index.ts lists the parameters of each. */
type NumericFunction = (...values: number[]) => number;

type Name =
  | 'forward'
  | 'gradient'
  | 'find'
  | 'count'
  | 'survey'
  | 'rank'
  | 'rank_of'
  | 'uniform'
  | 'entropy'
  | 'probabilities'
  | 'cross_entropy'
  | 'softmax_moments'
  | 'transform'
  | 'chain';

export type Exports = Record<`${Prefix}_${Name}`, NumericFunction> &
  Record<`${'f32' | 'f64'}_${'norms' | 'narrow'}`, NumericFunction> &
  Record<'f16_subnormals' | 'f64_sum', NumericFunction> & {
    memory: WebAssembly.Memory;
    heap_base(): number;
    multiply_add_is_fused(): number;
  };

/**
 * Compiled kernels, and a function that creates an instance with its own memory. `auto` selects the relaxed variant if
 * the engine has relaxed SIMD and the machine fuses multiply-adds.
 * @throws Error when this machine cannot run the requested variant
 */
export function compile(preference: Variant | 'auto'): { variant: Variant; make: () => Exports } {
  if (preference !== 'strict') {
    const bytes = readVariant('relaxed');
    if (WebAssembly.validate(bytes)) {
      const make = makerOf(bytes);
      if (preference === 'relaxed' || make().multiply_add_is_fused() !== 0) return { variant: 'relaxed', make };
    } else if (preference === 'relaxed') {
      throw new Error('the relaxed kernel was asked for, but this engine does not have WebAssembly relaxed SIMD');
    }
  }
  return { variant: 'strict', make: makerOf(readVariant('strict')) };
}

function readVariant(variant: Variant): Buffer<ArrayBuffer> {
  return readFileSync(new URL(`./build/${variant}.wasm`, import.meta.url));
}

/** Returns a function that creates instances. They share the compiled code. */
function makerOf(bytes: Buffer<ArrayBuffer>): () => Exports {
  const module = new WebAssembly.Module(bytes);
  return () => new WebAssembly.Instance(module, {}).exports as Exports;
}
