/** Elements of tensors in the kernels' memory. */
import { DTYPE_BYTES, ELEMENT_TYPES, isFloat8 } from '../src/tensor/dtype.ts';
import type { FloatDType, KernelDType } from '../src/tensor/dtype.ts';
import type { Arena, ByteSource } from './arena.ts';
import type { Bindings } from './bindings.ts';
import type { PlacedLogits } from './block.ts';

/** Kernels and their memory. */
export interface KernelMemory {
  bindings: Bindings;
  arena: Arena;
}

/** Elements of a tensor (rows, classes), row-major, at any alignment. */
export interface Elements {
  dtype: FloatDType;
  data: Uint8Array | ByteSource;
}

/** Places elements in the memory. float8 becomes bfloat16, which represents all of its values. */
export function placeElements(
  { bindings, arena }: KernelMemory,
  dtype: FloatDType,
  source: Uint8Array | ByteSource,
): PlacedLogits {
  const elements = arena.bringIn(source);
  if (!isFloat8(dtype)) return { dtype, logits: elements };
  // `widen` reads and stores whole vectors of 16 elements.
  const count = Math.ceil(source.byteLength / 16) * 16;
  const out = arena.allocate(count * DTYPE_BYTES.bfloat16);
  bindings.widen(dtype, { elements, count, out });
  return { dtype: ELEMENT_TYPES[dtype].float.widened, logits: out };
}

/**
 * Converts placed elements to a dtype that represents all of their values. Elements that have this dtype are not
 * copied.
 */
export function promoted(
  { bindings, arena }: KernelMemory,
  { dtype, logits }: PlacedLogits,
  to: KernelDType,
  count: number,
): PlacedLogits {
  if (dtype === to) return { dtype, logits };
  const out = arena.allocate(count * DTYPE_BYTES[to]);
  if (to === 'float64') bindings.transform(dtype, { logits, count, scale: 1, cap: 0, out });
  else if (dtype === 'float16' || dtype === 'bfloat16') bindings.promote(dtype, { elements: logits, count, out });
  else throw new RangeError(`${to} does not have all values of ${dtype}`);
  return { dtype: to, logits: out };
}
