import { DTYPE_BYTES } from '../../tensor/dtype.ts';
import { containsTensor, isTensor } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { stringify } from '../json-text/stringify.ts';
import { joinSmall } from '../reply.ts';
import { encodeHeader } from './header.ts';

/**
 * Encodes an answer as a safetensors file, in parts. Tensors of `outputs` keep their names; other tensors are named by their
 * path, separated by slashes. All other values are JSON text in `__metadata__.evaluation`.
 */
export function encodeSafetensors(value: object): Uint8Array[] {
  const tensors: [name: string, tensor: Tensor][] = [];
  const evaluation = stringify(withoutTensors(value, '', tensors));
  // Widest dtype first, like the safetensors library, so that every tensor is aligned to its width.
  const ordered = tensors.toSorted(([, a], [, b]) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype]);
  return joinSmall([encodeHeader(ordered, { evaluation }), ...ordered.map(([, { data }]) => data)]);
}

/** Copies a value without its tensors, and adds those to `tensors` under their path. */
function withoutTensors(value: object, path: string, tensors: [name: string, tensor: Tensor][]): object {
  const rest: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value) as [string, unknown][]) {
    const name = path === '' || path === 'outputs' ? key : `${path}/${key}`;
    if (isTensor(inner)) tensors.push([name, inner]);
    else rest[key] = containsTensor(inner) ? withoutTensors(inner as object, name, tensors) : inner;
  }
  return rest;
}
