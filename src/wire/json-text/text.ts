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
import { TENSOR_FIELDS, TENSOR_PARTS } from '../request-fields.ts';
import { inSteps } from '../../steps.ts';
import type { Steps } from '../../steps.ts';
import { shortEntries } from '../../suggestion.ts';
import { elementsAsValue, tensorFromValue, valueFromTensor } from '../tensors/tensor-value.ts';

/** Beginning of an integer that may be beyond 2^53; of longer fractions there are many. */
const WIDE_INTEGER = /(?:^|[^\d.])\d{16}/;

/** Text of an integer of 64 bits or a few more. */
const INTEGER = /^-?\d{1,20}$/;

/**
 * Reads JSON text of options: integers beyond 2^53 are bigints, as they are in the options of a body.
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

/** Texts up to this size are parsed where they are: that takes about 5 ms at most. */
export const MAX_INLINE_BYTES = 64 * 1024;

/**
 * Reads a small text at once, by the engine. The scanner reads what the engine refuses: bare tokens are allowed, and its
 * errors are those of a large text. It reads integers too that the engine would round.
 * @param maxDepth nesting that the text may have: each level becomes a JavaScript object, of one byte
 * @throws LossmeterError malformed_body
 */
export function parseJson(bytes: Uint8Array, maxDepth: number): unknown {
  requireModest(bytes, maxDepth);
  return parseModest(bytes, maxDepth);
}

/** The same for a text that requireModest has accepted. */
export function parseModest(bytes: Uint8Array, maxDepth: number): unknown {
  const text = new TextDecoder().decode(bytes);
  try {
    if (!WIDE_INTEGER.test(text)) return JSON.parse(text);
  } catch {
    // Read again.
  }
  return new JsonScanner(bytes, maxDepth, (key, depth) => readingOf(key, depth)).scan();
}

/**
 * Reads a large text, in memory that is bounded by its length, and frees it.
 * @returns the request with its tensors as bytes
 * @param fields fields whose values are read; all without
 * @param transfer gets the buffers that can be moved to another thread
 * @throws LossmeterError malformed_body, invalid_tensor
 */
export function readLargeJson(
  bytes: Uint8Array,
  { maxDepth, fields }: { maxDepth: number; fields: readonly string[] | undefined },
  transfer: ArrayBuffer[],
): unknown {
  const known = fields && new Set(fields);
  const request = new JsonScanner(bytes, maxDepth, (key, depth) => readingOf(key, depth, known)).scan();
  free(bytes);
  return packTensors(request, transfer, known);
}

const COMMA = 0x2c;
/** As it is read, with its residue where it is a wide integer, and in its dtype. */
const BYTES_PER_NUMBER = 8 + 2 + 8;

/**
 * An upper bound on the memory that a text is read with: its numbers, as they are read and in their dtype, and its
 * strings, with the bytes that they become. Each number but the first of an array follows a comma.
 */
export function* neededBytes(text: Uint8Array): Steps<number> {
  let commas = 0;
  yield* inSteps(text.byteLength, (from, to) => {
    for (let at = from; at < to; at++) if (text[at] === COMMA) commas++;
  });
  return BYTES_PER_NUMBER * commas + 2 * Math.max(0, text.byteLength - 2 * commas);
}

/** Tensors are read as numbers. The value of an unknown field is only checked: its name is refused later. */
function readingOf(key: string, depth: number, fields?: ReadonlySet<string>): Reading {
  if (depth > 1) return key === 'data' || PARTS.has(key) ? 'numbers' : 'value';
  if (TENSORS.has(key)) return 'numbers';
  if (OPTIONS.has(key)) return 'exact';
  return fields?.has(key) === false ? 'skip' : 'value';
}

/**
 * Counts brackets and keys outside of strings, before anything is made of the text.
 * @returns keys of its objects
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

/** Fields that hold options. */
const OPTIONS: ReadonlySet<string> = new Set(['options', 'parameters']);

/** Keys in a map of tensors, which may be nested arrays by themselves. */
const PARTS: ReadonlySet<string> = new Set(TENSOR_PARTS);

/** Fields that hold a tensor, which may be a nested array by itself. */
const TENSORS: ReadonlySet<unknown> = new Set(TENSOR_FIELDS);

/** Buffers up to this size are copied: each that is moved is compared with all others, which takes the square of them. */
const COPIED_BYTES = 2 ** 16;

/**
 * The same request with its tensors as bytes, so that it travels between threads without a copy of every number.
 * @param transfer gets the buffers that can be moved
 * @throws LossmeterError invalid_tensor, as the reader of the request would; malformed_body when it is no request
 */
function packTensors(request: unknown, transfer: ArrayBuffer[], fields: ReadonlySet<string> | undefined): unknown {
  const isUnknown = (name: string): boolean => fields?.has(name) === false;
  // Unknown fields are refused before tensors are looked at, as in a small text.
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
    return Object.fromEntries(shortEntries(value).map(([name, inner]) => [name, pack(inner, [...path, name])]));
  };
  return pack(request, []);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isArray(value: unknown): boolean {
  return Array.isArray(value) || value instanceof NumberArray;
}

/** Packs an input of the Open Inference Protocol. Its reader judges all but its data. */
function packInput(input: Readonly<Record<string, unknown>>, transfer: ArrayBuffer[]): unknown {
  const { name, datatype, shape, data } = input;
  if (!isArray(data)) return { ...input };
  const dtype = dtypeOf(datatype);
  if (!TENSORS.has(name) || dtype === undefined) return { ...input, data: [] };
  const { data: bytes, ...tensor } = tensorFromValue(name as string, { dtype, shape, data });
  return { ...input, data: elementsAsValue(moved(bytes, transfer), tensor) };
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
