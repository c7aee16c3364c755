import type { DType } from '../../tensor/dtype.ts';
import type { Shape } from '../../tensor/shape.ts';
import { consume, gathered, runsOf } from '../decoding.ts';
import type { Bytes, Decoding } from '../decoding.ts';
import { HeldRuns, adviceOn } from '../body/held-bytes.ts';
import type { DecodeContext } from '../request.ts';
import { isStreamed } from '../request-fields.ts';
import type { TensorName } from '../request-fields.ts';

/** Tensor whose bytes are in the body, in the order of the list. */
interface StoredTensor {
  readonly name: TensorName;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly byteLength: number;
}

/** Reads the rest of a body, which is the concatenated bytes of tensors. */
export function* readStoredTensors(
  bytes: Bytes,
  { held: account }: Pick<DecodeContext, 'held'>,
  tensors: readonly StoredTensor[],
): Decoding {
  for (const tensor of tensors) {
    const { name, dtype, shape, byteLength } = tensor;
    if (isStreamed(name)) {
      const head = { is: 'head', name, dtype, shape, isNumpy: false } as const;
      const isLast = tensors.at(-1) === tensor;
      if (isLast) yield head;
      else yield { is: 'early', what: name };
      yield* runsOf(bytes, byteLength, name);
      if (!isLast) yield head;
      continue;
    }
    const held = new HeldRuns(account, name, adviceOn(name));
    yield* consume(bytes, byteLength, name, (run) => held.push(run));
    yield { is: 'field', name, value: { dtype, shape, data: yield* gathered(held) } };
  }
}
