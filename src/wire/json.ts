import { LossmeterError } from '../errors.ts';
import { showValue } from '../suggestion.ts';
import type { ByteReader } from './byte-reader.ts';
import { openReference, readReferences } from './file-reference.ts';
import { HeldRuns, gathered } from './held-bytes.ts';
import { neededBytes, parseJson, readLargeJson } from './json-text.ts';
import { VALUE_FIELDS } from './request-fields.ts';
import { logitsFrom, logitsOf, makeHeader, missingField, requireRequestField, tookWithoutTensors } from './request.ts';
import type { Codec, DecodeContext } from './request.ts';
import { tensorFromValue } from './tensor-value.ts';

/** Bodies that are one plain value are read by the engine up to this size. */
const MAX_PLAIN_BYTES = 2 ** 18;

/** JSON requests: small ones; the whole text waits in memory, and is bounded. */
export const jsonCodec: Codec = {
  name: 'json',
  mediaTypes: ['application/json'],
  async decode(reader, context) {
    const request = await readJson(reader, context);
    if (typeof request !== 'object' || request === null || Array.isArray(request)) {
      throw new LossmeterError('malformed_body', `the body is ${showValue(request)}, expected an object`);
    }
    for (const name of Object.keys(request)) requireRequestField(name, context);
    if (tookWithoutTensors(request as Readonly<Record<string, unknown>>, context)) return;
    const { logits, label } = request as Readonly<Record<string, unknown>>;
    if (logits === undefined || logits === null) throw missingField('logits');
    // Before the logits are decoded, which may be large.
    if (context.labelOptional !== true && (label === undefined || label === null)) throw missingField('label');
    const source = await openReference('logits', logits, context);
    const fields = await readReferences(request as Readonly<Record<string, unknown>>, context);
    if (source !== undefined) {
      await context.begin(makeHeader(logitsFrom(source), fields, context));
      return;
    }
    const tensor = tensorFromValue('logits', logits);
    const writer = await context.begin(makeHeader(logitsOf(tensor), fields, context));
    await writer.write(tensor.data);
  },
  values: {
    maxBytes: ({ maxJsonBytes }) => maxJsonBytes,
    neededBytes,
    parse: (body, maxDepth) =>
      body.byteLength <= MAX_PLAIN_BYTES ? parseJson(body, maxDepth) : readLargeJson(body, maxDepth, [], VALUE_FIELDS),
  },
};

async function readJson(
  reader: ByteReader,
  { held: account, maxJsonBytes, parseJson: parse }: DecodeContext,
): Promise<unknown> {
  const held = new HeldRuns(
    account,
    'the JSON body',
    'send it as application/vnd.msgpack, with `logits` last: then they stream',
  );
  await reader.drain((chunk) => {
    if (reader.received > maxJsonBytes) {
      const detail = `a JSON body may have ${maxJsonBytes} bytes; larger batches go as application/vnd.msgpack`;
      throw new LossmeterError('body_too_large', detail);
    }
    held.push(chunk);
  });
  return parse(await gathered(held), account);
}
