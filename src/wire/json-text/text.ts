import { free } from '../../tensor/memory.ts';
import {
  JsonScanner,
  MAX_CONTAINERS,
  MAX_VALUES,
  VALUES_PER_TENSOR,
  tooDeep,
  tooManyContainers,
  tooManyValues,
} from './scanner.ts';
import type { Reading } from './scanner.ts';
import { measureStructure } from './structure.ts';
import { NumberArray } from './number-array.ts';
import { dtypeOf } from '../tensors/datatype.ts';
import { INPUT_KEYS, TENSOR_FIELDS, TENSOR_PARTS } from '../request-fields.ts';
import { inSteps } from '../../steps.ts';
import type { Steps } from '../../steps.ts';
import { keysOf } from '../tensors/forms.ts';
import { elementsAsValue, tensorFromValue, valueFromTensor } from '../tensors/tensor-value.ts';

/** Start of an integer that may be beyond 2^53. Digits after a decimal point do not match: long fractions are common. */
const WIDE_INTEGER = /(?:^|[^\d.])\d{16}/;

/** Integer of 64 bits or a few more. */
const INTEGER = /^-?\d{1,20}$/;

/**
 * Reads JSON text of options. Integers beyond 2^53 become bigints, as in the options of a body.
 * @throws SyntaxError
 */
export function parseOptionsText(text: string): unknown {
  if (!WIDE_INTEGER.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_name: string, value: unknown, context?: { source?: string }) => {
    const source = context?.source;
    const isRounded = typeof value === 'number' && !Number.isSafeInteger(value);
    return isRounded && source !== undefined && INTEGER.test(source) ? BigInt(source) : value;
  });
}

/** Largest text that is parsed on the main thread, where it takes at most about 5 ms. */
export const MAX_INLINE_BYTES = 64 * 1024;

/**
 * Reads a small text at once, with JSON.parse. JsonScanner reads texts that JSON.parse refuses: it accepts bare tokens, and its
 * errors are the same as for large texts. It also reads texts with integers that JSON.parse would round.
 * @param maxDepth largest nesting of the text: a level of one byte becomes a JavaScript object
 * @throws LossmeterError malformed_body
 */
export function parseJson(bytes: Uint8Array, maxDepth: number): unknown {
  requireModest(bytes, maxDepth);
  return parseModest(bytes, maxDepth);
}

/** Reads a text, like parseJson, after requireModest has accepted it. */
export function parseModest(bytes: Uint8Array, maxDepth: number): unknown {
  const text = new TextDecoder().decode(bytes);
  try {
    if (!WIDE_INTEGER.test(text)) return JSON.parse(text);
  } catch {
    // The scanner reads the text again.
  }
  return new JsonScanner(bytes, maxDepth, { readingOf: (key, depth) => readingOf(key, depth) }).scan();
}

/**
 * Reads a large text in memory proportional to its length, and frees the text. Of an object with very many keys, most unknown
 * ones are only counted: each takes time again wherever the object is copied, and a few are enough for the error.
 * @returns the request with its tensors as bytes
 * @param fields fields whose values are read; all fields if undefined
 * @param transfer receives the buffers that can be transferred to another thread
 * @throws LossmeterError malformed_body, invalid_tensor
 */
export function readLargeJson(
  bytes: Uint8Array,
  { maxDepth, fields }: { maxDepth: number; fields: readonly string[] | undefined },
  transfer: ArrayBuffer[],
): unknown {
  const known = fields && new Set(fields);
  const request = new JsonScanner(bytes, maxDepth, {
    readingOf: (key, depth) => readingOf(key, depth, known),
    knownKeys: new Set([...(fields ?? []), ...KEYS]),
  }).scan();
  free(bytes);
  return packTensors(request, transfer, known);
}

const COMMA = 0x2c;
/** Bytes of a number as read (float64), of its residue if it is a wide integer, and of its element of the widest dtype. */
const BYTES_PER_NUMBER = 8 + 2 + 8;

/**
 * Upper bound of the memory for reading a text: its numbers, as read and in their dtype, and its strings, with the bytes that
 * they encode. Each number except the first of an array follows a comma.
 */
export function* neededBytes(text: Uint8Array): Steps<number> {
  let commas = 0;
  yield* inSteps(text.byteLength, (from, to) => {
    for (let at = from; at < to; at++) if (text[at] === COMMA) commas++;
  });
  return BYTES_PER_NUMBER * commas + 2 * Math.max(0, text.byteLength - 2 * commas);
}

/** Selects the way of reading the value of a key. The value of an unknown field is only checked: the field is refused later. */
function readingOf(key: string, depth: number, fields?: ReadonlySet<string>): Reading {
  if (key === NAMED && (depth > 1 || fields?.has(key) !== false)) return 'named';
  if (depth > 1) return key === 'data' || PARTS.has(key) ? 'numbers' : 'value';
  if (TENSORS.has(key)) return 'numbers';
  if (OPTIONS.has(key)) return 'exact';
  return fields?.has(key) === false ? 'skip' : 'value';
}

/**
 * Counts brackets and keys outside of strings, before the text is parsed.
 * @returns number of keys in the text
 * @throws LossmeterError malformed_body
 */
export function requireModest(bytes: Uint8Array, maxDepth: number): number {
  const { keys } = measureStructure(bytes, {
    onOpen: (depth, containers) => {
      if (depth > maxDepth) throw tooDeep(maxDepth);
      if (containers > MAX_CONTAINERS) throw tooManyContainers();
    },
  });
  return keys;
}

/** Field of a recording whose keys the client chooses. */
const NAMED = 'scalars';

/** Fields that hold options. */
const OPTIONS: ReadonlySet<string> = new Set(['options', 'parameters']);

/** Keys in a map of tensors. Their values may be nested arrays. */
const PARTS: ReadonlySet<string> = new Set(TENSOR_PARTS);

/** Keys of the maps and inputs that represent a tensor. */
const KEYS: readonly string[] = [...TENSOR_FIELDS.flatMap(keysOf), ...INPUT_KEYS];

/** Fields that hold a tensor. Their values may be nested arrays. */
const TENSORS: ReadonlySet<unknown> = new Set(TENSOR_FIELDS);

/** Buffers up to this size are copied, because transferring takes time quadratic in the number of buffers. */
const COPIED_BYTES = 2 ** 16;

/**
 * Converts the tensors of a request to bytes, so that it can be sent to another thread without copying every number.
 * @param transfer receives the buffers that can be transferred
 * @throws LossmeterError invalid_tensor, as when a small request is read; malformed_body for too many values
 */
function packTensors(request: unknown, transfer: ArrayBuffer[], fields: ReadonlySet<string> | undefined): unknown {
  const isUnknown = (name: string): boolean => fields?.has(name) === false;
  // Unknown fields are refused before tensors are checked, as for a small text.
  const hasUnknown = isObject(request) && Object.keys(request).some(isUnknown);
  let values = 0;
  const count = (added: number): void => {
    values += added;
    if (values > MAX_VALUES) throw tooManyValues();
  };
  const pack = (value: unknown, path: readonly string[]): unknown => {
    if (path.length === 1 && isUnknown(path[0]!)) return null;
    const isPart = path.length === 2 && TENSORS.has(path[0]) && PARTS.has(path[1]!);
    const isTensorField = isPart || (path.length === 1 && TENSORS.has(path[0]));
    if (isTensorField && hasUnknown) return null;
    const isTensor = isArray(value) || hasData(value) || (isTensorField && typeof value === 'string');
    if (isTensorField ? isTensor : hasData(value) && 'dtype' in value) {
      count(VALUES_PER_TENSOR);
      const tensor = tensorFromValue(path.join(isPart ? '.' : '/'), value);
      return valueFromTensor({ ...tensor, data: moved(tensor.data, transfer) });
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

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isArray(value: unknown): boolean {
  return Array.isArray(value) || value instanceof NumberArray;
}

/** Packs an input of the Open Inference Protocol. Everything except its data is checked later. */
function packInput(input: Readonly<Record<string, unknown>>, transfer: ArrayBuffer[]): unknown {
  const { name, datatype, shape, data } = input;
  if (!isArray(data)) return { ...input };
  const dtype = dtypeOf(datatype);
  if (!TENSORS.has(name) || dtype === undefined) return { ...input, data: [] };
  const { data: bytes, ...tensor } = tensorFromValue(name as string, { dtype, shape, data });
  return { ...input, data: elementsAsValue(moved(bytes, transfer), tensor) };
}

/** Returns bytes in their own buffer: decoded base64 may lie in Node.js's shared pool. Adds a large buffer to `transfer`. */
function moved(data: Uint8Array, transfer: ArrayBuffer[]): Uint8Array {
  const isOwn = data.byteLength === data.buffer.byteLength && data.buffer instanceof ArrayBuffer;
  const own = isOwn ? new Uint8Array(data.buffer) : new Uint8Array(data);
  if (own.byteLength > COPIED_BYTES) transfer.push(own.buffer);
  return own;
}

function hasData(value: unknown): value is { data: unknown; [name: string]: unknown } {
  return typeof value === 'object' && value !== null && 'data' in value;
}
