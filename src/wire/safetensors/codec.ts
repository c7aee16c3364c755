import { LossmeterError, refuse } from '../../errors.ts';
import { pointerTo, showValue, suggestName } from '../../suggestion.ts';
import { truncated } from '../body/body-errors.ts';
import { consume, gathered, peek } from '../decoding.ts';
import type { Bytes, Decoding } from '../decoding.ts';
import { HeldRuns, adviceOn } from '../body/held-bytes.ts';
import { measureStructure } from '../json-text/structure.ts';
import { parseOptionsText } from '../json-text/text.ts';
import { missingField, requireRequestField } from '../request.ts';
import { isTensorName } from '../request-fields.ts';
import type { RequestFields, TensorName } from '../request-fields.ts';
import type { Codec, DecodeContext } from '../request.ts';
import { LENGTH_BYTES, MAX_HEADER_BYTES, parseHeader, requireReadable } from './header.ts';
import type { ReadableTensor, SafetensorsHeader } from './header.ts';
import { readStoredTensors } from '../tensors/stored-tensors.ts';
import { requireDTypeOf } from '../tensors/tensor-value.ts';

export const SAFETENSORS = 'application/vnd.safetensors';

/** Limit of the header of a request. A request has few tensors, so a longer header is mostly unused text. */
const MAX_REQUEST_HEADER_BYTES = 2 ** 20;

/** Limit of keys in the header of a request, counted as colons outside of strings. Each tensor has a name and three keys. */
const MAX_HEADER_KEYS = 2 ** 12;

/** Limit of commas in the header outside of strings: they separate keys and the lengths of shapes. */
const MAX_HEADER_COMMAS = 2 ** 13;

/** Limit of characters of a field in the metadata, which is JSON text. Options are short. */
const MAX_FIELD_LENGTH = 65_536;

/** First byte of a header: `{`, or white space before it, which the safetensors library accepts too. */
const FIRST_BYTES: ReadonlySet<number> = new Set(Buffer.from('{ \t\n\r'));

/** Header whose tensors are all fields of a request, of supported dtypes. */
type RequestFileHeader = Omit<SafetensorsHeader, 'tensors'> & { readonly tensors: readonly RequestTensor[] };

/** Tensor of such a header. */
type RequestTensor = ReadableTensor & { readonly name: TensorName };

/**
 * Requests as a safetensors file: tensors under their names, options as JSON text in `__metadata__.options`, other fields as
 * JSON text in `__metadata__` under their names. The bytes of logits are streamed when they are the last of the file;
 * otherwise they are buffered in bounded memory. The format has no bodies of plain values without logits.
 */
export const safetensorsCodec: Codec = {
  name: 'safetensors',
  mediaTypes: [SAFETENSORS, 'application/octet-stream'],
  *decode(bytes, context) {
    const { tensors, metadata } = yield* readHeader(bytes, context);
    const fields = fieldsOf(metadata, context.fields);
    const missing = context.fields.required.find((name) => !tensors.some((tensor) => tensor.name === name));
    if (missing !== undefined) throw missingField(missing);
    for (const { name, dtype } of tensors) requireDTypeOf(name, dtype);
    for (const [name, value] of Object.entries(fields)) yield { is: 'field', name, value };
    yield* readStoredTensors(bytes, context, tensors);
  },
};

function* readHeader(bytes: Bytes, context: DecodeContext): Decoding<RequestFileHeader> {
  const length = yield* readHeaderLength(bytes, context);
  const first = (yield* peek(bytes))?.[0];
  if (first !== undefined && !FIRST_BYTES.has(first)) {
    throw notSafetensors(`byte 8 is 0x${first.toString(16).padStart(2, '0')}, expected 0x7b, the { of a header`);
  }
  const held = new HeldRuns(context.held, 'the safetensors header', adviceOn('the safetensors header'));
  yield* consume(bytes, length, 'the safetensors header', (run) => held.push(run));
  const text = yield* gathered(held);
  requireModest(text);
  const header = parseHeader(text, (name) => requireTensorName(name, context.fields));
  requireAnnounced(header, length, context.contentLength);
  return { ...header, tensors: header.tensors.map((tensor) => requireReadable(tensor) as RequestTensor) };
}

/** Limits the keys and commas of a header before it is parsed. @throws LossmeterError body_too_large */
function requireModest(bytes: Uint8Array): void {
  const { keys, commas } = measureStructure(bytes);
  if (keys <= MAX_HEADER_KEYS && commas <= MAX_HEADER_COMMAS) return;
  const detail = `the safetensors header has ${keys} keys and ${commas} commas, expected at most ${MAX_HEADER_KEYS} keys and ${MAX_HEADER_COMMAS} commas`;
  throw new LossmeterError('body_too_large', detail);
}

function* readHeaderLength(bytes: Bytes, { contentLength }: DecodeContext): Decoding<number> {
  const field = Buffer.alloc(LENGTH_BYTES);
  let came = 0;
  yield* consume(bytes, LENGTH_BYTES, 'the length of the safetensors header', (run) => {
    field.set(run, came);
    came += run.byteLength;
  });
  const announced = field.readBigUInt64LE();
  if (announced < 2n || announced > MAX_HEADER_BYTES) {
    throw notSafetensors(
      `its first 8 bytes announce a header of ${announced} bytes, expected 2 to ${MAX_HEADER_BYTES}`,
    );
  }
  const length = Number(announced);
  if (length > MAX_REQUEST_HEADER_BYTES) {
    const detail = `the safetensors header has ${length} bytes, expected at most ${MAX_REQUEST_HEADER_BYTES}`;
    throw new LossmeterError('body_too_large', detail);
  }
  if (contentLength !== undefined && contentLength < LENGTH_BYTES + length) {
    throw truncated('the safetensors header', length, contentLength - LENGTH_BYTES);
  }
  return length;
}

/** Fails fast where the announced length of the body does not fit its tensors. */
function requireAnnounced({ tensors }: SafetensorsHeader, headerLength: number, contentLength?: number): void {
  if (contentLength === undefined) return;
  const last = tensors.at(-1);
  const expected = last === undefined ? 0 : last.begin + last.byteLength;
  const announced = contentLength - LENGTH_BYTES - headerLength;
  if (announced < expected) throw truncated('the tensors', expected, announced);
  if (announced > expected) {
    throw new LossmeterError('malformed_body', `${announced - expected} bytes follow the last tensor`);
  }
}

function notSafetensors(what: string): LossmeterError {
  return new LossmeterError('malformed_body', `the body is not a safetensors file: ${what}`);
}

/** @throws LossmeterError unknown_field, invalid_tensor */
function requireTensorName(name: string, fields: RequestFields): void {
  const field = requireRequestField(name, fields);
  if (isTensorName(field)) return;
  const detail = `${field} is a tensor, expected JSON text in __metadata__.${field}`;
  throw refuse('invalid_tensor', pointerTo(field), detail);
}

/** Fields that are not tensors, from the metadata. Other metadata is free text and ignored, but misspelt fields are refused. */
export function fieldsOf(
  metadata: Readonly<Record<string, string>>,
  { options, values }: Pick<RequestFields, 'options' | 'values'>,
): Record<string, unknown> {
  const known = ['options', ...values];
  const fields: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(metadata)) {
    if (known.includes(name)) {
      fields[name] = parseField(name, text);
      continue;
    }
    const meant = suggestName(name, known);
    const isOption = options.includes(name);
    if (meant === undefined && !isOption) continue;
    const hint = isOption ? `: it is an option and belongs in __metadata__.options` : `, did you mean ${meant}?`;
    throw refuse('unknown_field', pointerTo('__metadata__', name), `unknown metadata ${showValue(name)}${hint}`);
  }
  return fields;
}

function parseField(name: string, text: string): unknown {
  if (text.length > MAX_FIELD_LENGTH) {
    const detail = `__metadata__.${name} has ${text.length} characters, expected at most ${MAX_FIELD_LENGTH}`;
    throw refuse('malformed_body', pointerTo('__metadata__', name), detail);
  }
  try {
    return parseOptionsText(text);
  } catch (cause) {
    const reason = (cause as SyntaxError).message;
    const detail = `__metadata__.${name} is ${showValue(text)}, expected JSON text: ${reason}`;
    throw new LossmeterError('malformed_body', detail, [{ pointer: pointerTo('__metadata__', name), detail }], {
      cause,
    });
  }
}
