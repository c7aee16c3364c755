import { LossmeterError } from '../../errors.ts';
import { showValue } from '../../suggestion.ts';
import { readWhole } from '../decoding.ts';
import type { Bytes, Decoding } from '../decoding.ts';
import { HeldRuns } from '../body/held-bytes.ts';
import { neededBytes, parseJson, readLargeJson } from '../json-text/text.ts';
import { fieldNames, isStreamed } from '../request-fields.ts';
import { isGiven, requireRequestField, requireTensors } from '../request.ts';
import type { Codec, DecodeContext } from '../request.ts';

/** Largest body of one plain value that parseJson reads. */
const MAX_PLAIN_BYTES = 2 ** 18;

/** JSON requests. The whole text is buffered, so its size is limited. */
export const jsonCodec: Codec = {
  name: 'json',
  mediaTypes: ['application/json'],
  *decode(bytes, context) {
    const request = yield* readJson(bytes, context);
    if (typeof request !== 'object' || request === null || Array.isArray(request)) {
      throw new LossmeterError('malformed_body', `the body is ${showValue(request)}, expected an object`);
    }
    for (const name of Object.keys(request)) requireRequestField(name, context.fields);
    // Checked before large tensors are decoded.
    const fields = request as Readonly<Record<string, unknown>>;
    requireTensors((name) => isGiven(fields[name]), context.fields);
    for (const [name, value] of Object.entries(request)) {
      // Null means absent: a streamed tensor that is null is not announced.
      if (value !== null || !isStreamed(name)) yield { is: 'field', name, value };
    }
  },
  values: {
    maxBytes: ({ maxJsonBytes }) => maxJsonBytes,
    neededBytes,
    parse: (body, maxDepth, fields) =>
      body.byteLength <= MAX_PLAIN_BYTES ? parseJson(body, maxDepth) : readLargeJson(body, { maxDepth, fields }, []),
  },
};

function* readJson(bytes: Bytes, { held: account, maxJsonBytes, fields }: DecodeContext): Decoding<unknown> {
  const held = new HeldRuns(
    account,
    'the JSON body',
    'send it as application/vnd.msgpack, with `logits` last: then they stream',
  );
  const text = yield* readWhole(bytes, held, {
    maxBytes: maxJsonBytes,
    tooLong: () => {
      const detail = `the JSON body has more than ${maxJsonBytes} bytes, the maximum; send larger batches as application/vnd.msgpack`;
      return new LossmeterError('body_too_large', detail);
    },
  });
  return yield { is: 'json', text, fields: fieldNames(fields) };
}
