import { DTYPE_BYTES } from '../../tensor/dtype.ts';
import { containsTensor, isTensor } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { stringify } from '../json-text/stringify.ts';
import { joinSmall } from '../reply.ts';
import { encodeHeader } from './header.ts';

/**
 * An answer as a safetensors file, in parts: the tensors of `outputs` by their names, tensors elsewhere by their path
 * with slashes between, and everything else as JSON text in `__metadata__.evaluation`.
 */
export function encodeSafetensors(value: object): Uint8Array[] {
  const tensors: [name: string, tensor: Tensor][] = [];
  const evaluation = stringify(withoutTensors(value, '', tensors));
  // As the library orders them: what is widest comes first, so that every tensor is aligned to its width.
  const ordered = tensors.toSorted(([, a], [, b]) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype]);
  return joinSmall([encodeHeader(ordered, { evaluation }), ...ordered.map(([, { data }]) => data)]);
}

/** A copy of a value without the tensors in it, which are added to `tensors` under their path. */
function withoutTensors(value: object, path: string, tensors: [name: string, tensor: Tensor][]): object {
  const rest: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value) as [string, unknown][]) {
    const name = path === '' || path === 'outputs' ? key : `${path}/${key}`;
    if (isTensor(inner)) tensors.push([name, inner]);
    else rest[key] = containsTensor(inner) ? withoutTensors(inner as object, name, tensors) : inner;
  }
  return rest;
}
