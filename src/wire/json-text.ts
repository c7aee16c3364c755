import { LossmeterError } from '../errors.ts';
import { dtypeOf } from './open-inference-datatype.ts';
import { tensorFromValue } from './tensor-value.ts';

/**
 * Strings, or the bare tokens that Python's json writes for numbers that JSON has not. A string that does not end goes to
 * the end of the text: were it no match, every quote in it would be tried.
 */
const STRING_OR_BARE_TOKEN = /"[^"\\]*(?:\\[^][^"\\]*)*(?:"|\\?$)|-?Infinity|NaN/g;

/** @throws LossmeterError malformed_body */
export function parseJson(bytes: Uint8Array): unknown {
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

/** Fields that hold a tensor, which may be a nested array by itself. */
const TENSOR_FIELDS: ReadonlySet<unknown> = new Set(['logits', 'label', 'input_mask', 'weight']);

/** Names at the top of a request; the value of any other is not looked at, and refused by its name. */
const FIELDS: ReadonlySet<string> = new Set([
  ...['logits', 'label', 'input_mask', 'weight', 'options', 'vocab_start', 'vocab_size', 'partials'],
  ...['id', 'inputs', 'outputs', 'parameters'],
]);

/** Nesting that a request may have. */
const MAX_DEPTH = 64;

/** Values outside of tensors: each is copied when it travels between threads. */
const MAX_VALUES = 2 ** 18;

/**
 * The same request with its tensors as bytes, so that it travels between threads without a copy of every number.
 * @param transfer gets the buffers that can be moved
 * @throws LossmeterError invalid_tensor, as the reader of the request would; malformed_body when it is no request
 */
export function packTensors(request: unknown, transfer: ArrayBuffer[]): unknown {
  let values = 0;
  const pack = (value: unknown, path: readonly string[]): unknown => {
    if (path.length === 1 && !FIELDS.has(path[0]!)) return null;
    const isTensorField = path.length === 1 && TENSOR_FIELDS.has(path[0]);
    if (isTensorField ? Array.isArray(value) || hasData(value) : hasData(value) && 'dtype' in value) {
      const tensor = tensorFromValue(path.join('/'), value);
      return { ...tensor, data: moved(tensor.data, transfer) };
    }
    if (path.length === 2 && path[0] === 'inputs' && hasData(value)) return packInput(value, transfer);
    if (++values > MAX_VALUES) throw malformed(`holds more than ${MAX_VALUES} values outside of its tensors`);
    if (typeof value !== 'object' || value === null) return value;
    if (path.length === MAX_DEPTH) throw malformed(`is nested deeper than ${MAX_DEPTH} levels`);
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
  transfer.push(own.buffer);
  return own;
}

function hasData(value: unknown): value is { data: unknown; [name: string]: unknown } {
  return typeof value === 'object' && value !== null && 'data' in value;
}
