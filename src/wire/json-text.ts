import { free } from './held-bytes.ts';
import {
  JsonScanner,
  MAX_CONTAINERS,
  MAX_VALUES,
  malformed,
  tooDeep,
  tooManyContainers,
  tooManyValues,
} from './json-scanner.ts';
import type { Reading } from './json-scanner.ts';
import { NumberArray } from './number-array.ts';
import { dtypeOf } from './open-inference-datatype.ts';
import { inSteps } from '../steps.ts';
import type { Steps } from '../steps.ts';
import { shortEntries } from '../suggestion.ts';
import { tensorFromValue } from './tensor-value.ts';

/** Texts up to this size are parsed where they are: that takes about 5 ms at most. */
export const MAX_INLINE_BYTES = 256 * 1024;

/**
 * Reads a small text at once: the engine does, unless there are bare tokens that JSON does not have.
 * @param maxDepth nesting that the text may have: each level becomes a JavaScript object, of one byte
 * @throws LossmeterError malformed_body
 */
export function parseJson(bytes: Uint8Array, maxDepth: number): unknown {
  requireModest(bytes, maxDepth);
  return parseModest(bytes, maxDepth);
}

/** The same of a text that requireModest has looked at. */
export function parseModest(bytes: Uint8Array, maxDepth: number): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    try {
      return new JsonScanner(bytes, maxDepth, readingOfSmall).scan();
    } catch {
      throw malformed(`is not JSON: ${(cause as SyntaxError).message}`, cause);
    }
  }
}

/**
 * Reads a large text, in memory that is bounded by its length, and frees it.
 * @returns the request with its tensors as bytes
 * @param transfer gets the buffers that can be moved to another thread
 * @throws LossmeterError malformed_body, invalid_tensor
 */
export function readLargeJson(bytes: Uint8Array, maxDepth: number, transfer: ArrayBuffer[]): unknown {
  const request = new JsonScanner(bytes, maxDepth, readingOf).scan();
  free(bytes);
  return packTensors(request, transfer);
}

const COMMA = 0x2c;
const BYTES_PER_NUMBER = 8;

/**
 * An upper bound on the memory that a text is read with: its numbers, as they are read and in their dtype, and its
 * strings, with the bytes that they become. Each number but the first of an array follows a comma.
 */
export function* neededBytes(text: Uint8Array): Steps<number> {
  let commas = 0;
  yield* inSteps(text.byteLength, (from, to) => {
    for (let at = from; at < to; at++) if (text[at] === COMMA) commas++;
  });
  return 2 * BYTES_PER_NUMBER * commas + 2 * Math.max(0, text.byteLength - 2 * commas);
}

/** Tensors are read as numbers, anything else as it is. */
function readingOfSmall(key: string, depth: number): Reading {
  return depth > 1 ? readingOf(key, depth) : TENSOR_FIELDS.has(key) ? 'numbers' : 'value';
}

/** Tensors are read as numbers; a field that no request has is passed over, and refused by its name. */
function readingOf(key: string, depth: number): Reading {
  if (depth > 1) return key === 'data' ? 'numbers' : 'value';
  if (TENSOR_FIELDS.has(key)) return 'numbers';
  return FIELDS.has(key) ? 'value' : 'skip';
}

const [QUOTE, BACKSLASH, COLON, OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = Buffer.from('"\\:[]{}');

/**
 * Counts brackets and keys outside of strings, before anything is made of the text.
 * @returns keys of its objects
 * @throws LossmeterError malformed_body
 */
export function requireModest(bytes: Uint8Array, maxDepth: number): number {
  let keys = 0;
  let depth = 0;
  let containers = 0;
  let isInString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) isInString = !isInString;
    else if (isInString) {
      if (byte === BACKSLASH) at++;
    } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      if (++depth > maxDepth) throw tooDeep(maxDepth);
      if (++containers > MAX_CONTAINERS) throw tooManyContainers();
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) {
      depth--;
    } else if (byte === COLON) {
      keys++;
    }
  }
  return keys;
}

/** Fields that hold a tensor, which may be a nested array by itself. */
const TENSOR_FIELDS: ReadonlySet<unknown> = new Set(['logits', 'label', 'input_mask', 'weight']);

/** Names at the top of a request; the value of any other is not looked at, and refused by its name. */
const FIELDS: ReadonlySet<string> = new Set([
  ...['logits', 'label', 'input_mask', 'weight', 'options', 'vocab_start', 'vocab_size', 'partials'],
  ...['id', 'inputs', 'outputs', 'parameters'],
]);

/** A tensor counts as its fields do. */
const VALUES_PER_TENSOR = 8;

/** Buffers up to this size are copied: each that is moved is compared with all others, which takes the square of them. */
const COPIED_BYTES = 2 ** 16;

/**
 * The same request with its tensors as bytes, so that it travels between threads without a copy of every number.
 * @param transfer gets the buffers that can be moved
 * @throws LossmeterError invalid_tensor, as the reader of the request would; malformed_body when it is no request
 */
function packTensors(request: unknown, transfer: ArrayBuffer[]): unknown {
  let values = 0;
  const count = (added: number): void => {
    values += added;
    if (values > MAX_VALUES) throw tooManyValues();
  };
  const pack = (value: unknown, path: readonly string[]): unknown => {
    if (path.length === 1 && !FIELDS.has(path[0]!)) return null;
    const isTensorField = path.length === 1 && TENSOR_FIELDS.has(path[0]);
    if (isTensorField ? isArray(value) || hasData(value) : hasData(value) && 'dtype' in value) {
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
    return Object.fromEntries(shortEntries(value).map(([name, inner]) => [name, pack(inner, [...path, name])]));
  };
  return pack(request, []);
}

function isArray(value: unknown): boolean {
  return Array.isArray(value) || value instanceof NumberArray;
}

/** The same for an input of the Open Inference Protocol. What is wrong but for its data is left to its reader. */
function packInput(input: Readonly<Record<string, unknown>>, transfer: ArrayBuffer[]): unknown {
  const { name, datatype, shape, data } = input;
  if (!isArray(data)) return { ...input };
  const dtype = dtypeOf(datatype);
  if (!TENSOR_FIELDS.has(name) || dtype === undefined) return { ...input, data: [] };
  return { ...input, data: moved(tensorFromValue(name as string, { dtype, shape, data }).data, transfer) };
}

/** In a buffer of its own: that of base64 may be a part of Node's pool. */
function moved(data: Uint8Array, transfer: ArrayBuffer[]): Uint8Array {
  const isOwn = data.byteLength === data.buffer.byteLength && data.buffer instanceof ArrayBuffer;
  const own = isOwn ? new Uint8Array(data.buffer) : new Uint8Array(data);
  if (own.byteLength > COPIED_BYTES) transfer.push(own.buffer);
  return own;
}

function hasData(value: unknown): value is { data: unknown; [name: string]: unknown } {
  return typeof value === 'object' && value !== null && 'data' in value;
}
