import { readFileSync } from 'node:fs';
import { Bindings } from './bindings.ts';
import type { Exports } from './bindings.ts';

/** `relaxed` fuses multiply-adds and is about 1.6 times as fast; `strict` returns the same bits on every machine. */
export type Variant = 'relaxed' | 'strict';

/** An instance of the kernels with its own memory. */
export interface Instance {
  memory: WebAssembly.Memory;
  bindings: Bindings;
}

/**
 * Compiled kernels, and a function that creates instances. `auto` selects the relaxed variant if the engine has relaxed
 * SIMD and the machine fuses multiply-adds.
 * @throws Error when this machine cannot run the requested variant
 */
export function compile(preference: Variant | 'auto'): { variant: Variant; make: () => Instance } {
  if (preference !== 'strict') {
    const bytes = readVariant('relaxed');
    if (WebAssembly.validate(bytes)) {
      const make = makerOf(bytes);
      if (preference === 'relaxed' || make().bindings.multiplyAddIsFused() !== 0) return { variant: 'relaxed', make };
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
function makerOf(bytes: Buffer<ArrayBuffer>): () => Instance {
  const module = new WebAssembly.Module(bytes);
  return () => {
    const exports = new WebAssembly.Instance(module, {}).exports as Exports & { memory: WebAssembly.Memory };
    return { memory: exports.memory, bindings: new Bindings(exports) };
  };
}
