import { LossmeterError } from '../errors.ts';
import { dtypeOf } from './open-inference-datatype.ts';
import { tensorFromValue } from './tensor-value.ts';

/** Strings, or the bare tokens that Python's json writes for numbers that JSON has not. */
const STRING_OR_BARE_TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN/g;

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

/** How deep a tensor may stand: partials / 0 / columns / lse. */
const MAX_DEPTH = 4;

/**
 * The same value with its tensors as bytes, so that it travels between threads without a copy of every number.
 * @param transfer gets the buffers that can be moved
 * @throws LossmeterError invalid_tensor, as the reader of the request would
 */
export function packTensors(value: unknown, transfer: ArrayBuffer[], path: readonly string[] = []): unknown {
  const isTensorField = path.length === 1 && TENSOR_FIELDS.has(path[0]);
  if (isTensorField ? Array.isArray(value) || hasData(value) : hasData(value) && 'dtype' in value) {
    const tensor = tensorFromValue(path.join('/'), value);
    return { ...tensor, data: moved(tensor.data, transfer) };
  }
  if (path.length === 2 && path[0] === 'inputs' && hasData(value)) return packInput(value, transfer);
  if (typeof value !== 'object' || value === null || path.length === MAX_DEPTH) return value;
  if (Array.isArray(value)) return value.map((inner, index) => packTensors(inner, transfer, [...path, String(index)]));
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, packTensors(inner, transfer, [...path, name])]),
  );
}

/** The same for an input of the Open Inference Protocol. What is wrong but for its data is left to its reader. */
function packInput(input: Readonly<Record<string, unknown>>, transfer: ArrayBuffer[]): unknown {
  const { name, datatype, shape, data } = input;
  const dtype = dtypeOf(datatype);
  if (!TENSOR_FIELDS.has(name) || dtype === undefined || !Array.isArray(data)) return input;
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
