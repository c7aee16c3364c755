import { LossmeterError } from '../errors.ts';
import { showValue } from '../suggestion.ts';
import { HeldRuns } from './held-bytes.ts';
import { makeHeader, missingField, requireRequestField } from './request.ts';
import type { Codec, RequestField } from './request.ts';
import { requireLogitsDType, tensorFromValue } from './tensor-value.ts';

/** JSON requests: small ones; the whole text waits in memory, and is bounded. */
export const jsonCodec: Codec = {
  name: 'json',
  mediaTypes: ['application/json'],
  async decode(reader, context) {
    const held = new HeldRuns(context.held, 'the JSON body');
    await reader.drain((chunk) => {
      if (reader.received > context.maxJsonBytes) {
        const detail = `a JSON body may have ${context.maxJsonBytes} bytes; larger batches go as application/vnd.msgpack`;
        throw new LossmeterError('body_too_large', detail);
      }
      held.push(chunk);
    });
    const request = parseJson(new TextDecoder().decode(held.concat()));
    if (typeof request !== 'object' || request === null || Array.isArray(request)) {
      throw new LossmeterError('malformed_body', `the body is ${showValue(request)}, expected an object`);
    }
    for (const name of Object.keys(request)) requireRequestField(name, context.optionNames);
    const fields = request as Partial<Record<RequestField, unknown>>;
    if (fields.logits === undefined || fields.logits === null) throw missingField('logits');
    // Before the logits are decoded, which may be large.
    if (fields.label === undefined || fields.label === null) throw missingField('label');
    const tensor = tensorFromValue('logits', fields.logits);
    const logits = { dtype: requireLogitsDType(tensor.dtype), shape: tensor.shape };
    const writer = context.begin(makeHeader(logits, fields));
    await writer.write(tensor.data);
  },
};

/** Strings, or the bare tokens that Python's json writes for numbers that JSON has not. */
const STRING_OR_BARE_TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN/g;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const quoted = text.replace(STRING_OR_BARE_TOKEN, (token) => (token.startsWith('"') ? token : `"${token}"`));
    try {
      return JSON.parse(quoted);
    } catch {
      const reason = (cause as SyntaxError).message;
      throw new LossmeterError('malformed_body', `the body is not JSON: ${reason}`, [], { cause });
    }
  }
}

/**
 * An answer as JSON text. Numbers that JSON has not become the strings "NaN", "Infinity" and "-Infinity", as in
 * Protocol Buffers' JSON mapping.
 */
export function stringifyJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'number' && !Number.isFinite(inner) ? String(inner) : inner,
  );
}
