import { LossmeterError } from '../errors.ts';
import { dtypeOf } from './open-inference-datatype.ts';
import { tensorFromValue } from './tensor-value.ts';

/**
 * Strings, or the bare tokens that Python's json writes for numbers that JSON has not. A string that does not end goes to
 * the end of the text: were it no match, every quote in it would be tried.
 */
const STRING_OR_BARE_TOKEN = /"[^"\\]*(?:\\[^][^"\\]*)*(?:"|\\?$)|-?Infinity|NaN/g;

/**
 * @param maxDepth nesting that the text may have: each level becomes a JavaScript object, of one byte
 * @throws LossmeterError malformed_body
 */
export function parseJson(bytes: Uint8Array, maxDepth: number): unknown {
  requireModest(bytes, maxDepth);
  const text = new TextDecoder().decode(bytes);
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

/** Arrays and objects that a text may have, each of which takes some 50 bytes and more: rows of nested arrays, above all. */
const MAX_CONTAINERS = 2 ** 20;

const [QUOTE, BACKSLASH, OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = Buffer.from('"\\[]{}');

/** Counts brackets outside of strings, before anything is made of the text. */
function requireModest(bytes: Uint8Array, maxDepth: number): void {
  let depth = 0;
  let containers = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = endOfString(bytes, at + 1);
    } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      if (++depth > maxDepth) throw malformed(`is nested deeper than ${maxDepth} levels`);
      if (++containers > MAX_CONTAINERS) {
        throw malformed(
          `has more than ${MAX_CONTAINERS} arrays and objects; send large tensors as {dtype, shape, data}`,
        );
      }
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) {
      depth--;
    }
  }
}

/** Where the quote stands that ends a string. */
function endOfString(bytes: Uint8Array, from: number): number {
  for (let quote = bytes.indexOf(QUOTE!, from); quote >= 0; quote = bytes.indexOf(QUOTE!, quote + 1)) {
    let escapes = 0;
    while (bytes[quote - 1 - escapes] === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return quote;
  }
  return bytes.length;
}

/** Fields that hold a tensor, which may be a nested array by itself. */
const TENSOR_FIELDS: ReadonlySet<unknown> = new Set(['logits', 'label', 'input_mask', 'weight']);

/** Names at the top of a request; the value of any other is not looked at, and refused by its name. */
const FIELDS: ReadonlySet<string> = new Set([
  ...['logits', 'label', 'input_mask', 'weight', 'options', 'vocab_start', 'vocab_size', 'partials'],
  ...['id', 'inputs', 'outputs', 'parameters'],
]);

/** Values outside of tensors: each is copied when it travels between threads. A tensor counts as its fields do. */
const MAX_VALUES = 2 ** 18;
const VALUES_PER_TENSOR = 8;

/** Buffers up to this size are copied: each that is moved is compared with all others, which takes the square of them. */
const COPIED_BYTES = 2 ** 16;

/**
 * The same request with its tensors as bytes, so that it travels between threads without a copy of every number.
 * @param transfer gets the buffers that can be moved
 * @throws LossmeterError invalid_tensor, as the reader of the request would; malformed_body when it is no request
 */
export function packTensors(request: unknown, transfer: ArrayBuffer[]): unknown {
  let values = 0;
  const count = (added: number): void => {
    values += added;
    if (values > MAX_VALUES) throw malformed(`holds more than ${MAX_VALUES} values outside of its tensors`);
  };
  const pack = (value: unknown, path: readonly string[]): unknown => {
    if (path.length === 1 && !FIELDS.has(path[0]!)) return null;
    const isTensorField = path.length === 1 && TENSOR_FIELDS.has(path[0]);
    if (isTensorField ? Array.isArray(value) || hasData(value) : hasData(value) && 'dtype' in value) {
      count(VALUES_PER_TENSOR);
      const tensor = tensorFromValue(path.join('/'), value);
      return { ...tensor, data: moved(tensor.data, transfer) };
    }
    if (path.length === 2 && path[0] === 'inputs' && hasData(value)) {
      count(VALUES_PER_TENSOR);
      return packInput(value, transfer);
    }
    count(1);
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((inner, index) => pack(inner, [...path, String(index)]));
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, pack(inner, [...path, name])]));
  };
  return pack(request, []);
}

function malformed(what: string): LossmeterError {
  return new LossmeterError('malformed_body', `the body ${what}`);
}

/** The same for an input of the Open Inference Protocol. What is wrong but for its data is left to its reader. */
function packInput(input: Readonly<Record<string, unknown>>, transfer: ArrayBuffer[]): unknown {
  const { name, datatype, shape, data } = input;
  if (!Array.isArray(data)) return { ...input };
  const dtype = dtypeOf(datatype);
  if (!TENSOR_FIELDS.has(name) || dtype === undefined) return { ...input, data: [] };
  return { ...input, data: moved(tensorFromValue(name as string, { dtype, shape, data }).data, transfer) };
}

/** In a buffer of its own: that of base64 may be a part of Node's pool. */
function moved(data: Uint8Array, transfer: ArrayBuffer[]): Uint8Array {
  const own = new Uint8Array(data);
  if (own.byteLength > COPIED_BYTES) transfer.push(own.buffer);
  return own;
}

function hasData(value: unknown): value is { data: unknown; [name: string]: unknown } {
  return typeof value === 'object' && value !== null && 'data' in value;
}
