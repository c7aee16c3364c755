import type { DType } from '../tensor/dtype.ts';
import type { Shape } from '../tensor/shape.ts';
import { requireEnd } from './byte-reader.ts';
import type { ByteReader } from './byte-reader.ts';
import { HeldRuns, STREAMING_ADVICE, adviceOn, free, gathered } from './held-bytes.ts';
import type { DecodeContext, LogitsWriter } from './request.ts';

/** A tensor whose bytes stand in the body, at its place among others. */
interface StoredTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly byteLength: number;
}

/**
 * Reads the rest of a body, which is the bytes of tensors one after the other. Those of logits are handed on as they come
 * when they are the last; when tensors follow them, they wait in bounded memory.
 * @param fields gets the other tensors by their names
 * @param begin called once all other tensors are there
 * @param heldLogits bytes of logits that came before, where they are none of the tensors
 */
export async function readStoredTensors(
  reader: ByteReader,
  { held: account }: Pick<DecodeContext, 'held'>,
  {
    tensors,
    fields,
    begin,
    heldLogits = [],
  }: {
    tensors: readonly StoredTensor[];
    fields: Record<string, unknown>;
    begin: () => LogitsWriter | Promise<LogitsWriter>;
    heldLogits?: readonly Uint8Array[];
  },
): Promise<void> {
  let waiting = heldLogits;
  for (const tensor of tensors) {
    const { name, dtype, shape, byteLength } = tensor;
    if (name === 'logits' && tensors.at(-1) === tensor) {
      const writer = await begin();
      await reader.forward(byteLength, name, (run) => writer.write(run));
      return requireEnd(reader);
    }
    const held = new HeldRuns(account, name, name === 'logits' ? STREAMING_ADVICE : adviceOn(name));
    await reader.hold(byteLength, name, held);
    if (name === 'logits') waiting = held.runs;
    else fields[name] = { dtype, shape, data: await gathered(held) };
  }
  await requireEnd(reader);
  const writer = await begin();
  for (const run of waiting) {
    await writer.write(run);
    free(run);
  }
}
