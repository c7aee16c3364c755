import { LossmeterError } from '../errors.ts';
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
const TENSOR_FIELDS: readonly string[] = ['logits', 'label', 'input_mask', 'weight'];

/** How deep a tensor may stand: partials / 0 / columns / lse. */
const MAX_DEPTH = 4;

/**
 * The same value with its tensors as bytes, so that it travels between threads without a copy of every number.
 * @param transfer gets the buffers that can be moved
 * @throws LossmeterError invalid_tensor, as the reader of the request would
 */
export function packTensors(value: unknown, transfer: ArrayBuffer[], path: readonly string[] = []): unknown {
  const isTensorField = path.length === 1 && TENSOR_FIELDS.includes(path[0]!);
  if (isTensorField ? Array.isArray(value) || hasData(value) : hasData(value) && 'dtype' in value) {
    const tensor = tensorFromValue(path.join('/'), value);
    // A buffer of its own: that of base64 may be a part of Node's pool.
    const data = new Uint8Array(tensor.data);
    transfer.push(data.buffer);
    return { ...tensor, data };
  }
  if (typeof value !== 'object' || value === null || path.length === MAX_DEPTH) return value;
  if (Array.isArray(value)) return value.map((inner, index) => packTensors(inner, transfer, [...path, String(index)]));
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, packTensors(inner, transfer, [...path, name])]),
  );
}

function hasData(value: unknown): value is { data: unknown } {
  return typeof value === 'object' && value !== null && 'data' in value;
}
