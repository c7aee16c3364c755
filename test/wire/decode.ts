/** Decodes a body by a format, without a service. */
import type { Decoded } from '../../src/wire/decoding.ts';
import type { Codec } from '../../src/wire/request.ts';
import { BATCH_TENSORS } from '../../src/batch/header.ts';
import { HeldBytes } from '../../src/wire/body/held-bytes.ts';
import { decodeAll } from './decoding.ts';

const FIELDS = {
  tensors: BATCH_TENSORS,
  required: ['logits', 'label'] as const,
  values: ['vocab_start'],
  options: ['reduction'],
};

/** Parts that a codec yields for a body. Adjacent runs of bytes are joined. */
export function partsOf(codec: Codec, body: Uint8Array, chunkBytes = body.byteLength): unknown[] {
  const chunks = Array.from({ length: Math.ceil(body.byteLength / chunkBytes) }, (_, k) =>
    Uint8Array.from(body.subarray(k * chunkBytes, (k + 1) * chunkBytes)),
  );
  const context = {
    held: new HeldBytes(2 ** 24).open(),
    fields: FIELDS,
    maxJsonBytes: 2 ** 20,
    contentLength: undefined,
  };
  const { items } = decodeAll((bytes) => codec.decode(bytes, context), chunks);
  return joined(items);
}

function joined(items: readonly Decoded[]): unknown[] {
  const parts: unknown[] = [];
  let run: number[] | undefined;
  for (const item of items) {
    if (item.is !== 'run') {
      run = undefined;
      parts.push(item);
    } else if (run === undefined) parts.push({ is: 'run', bytes: (run = [...item.bytes]) });
    else run.push(...item.bytes);
  }
  return parts;
}
