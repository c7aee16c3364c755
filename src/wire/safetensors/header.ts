import { LossmeterError, refuse } from '../../errors.ts';
import { placeIn, pointerTo, showValue } from '../../suggestion.ts';
import { DTYPES, ELEMENT_TYPES } from '../../tensor/dtype.ts';
import type { DType, ElementType } from '../../tensor/dtype.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { isTensorName } from '../request-fields.ts';
import { requireByteLength, requireShape } from '../tensors/tensor-value.ts';

/** Bytes of the header length at the start of a file: a little-endian uint64. */
export const LENGTH_BYTES = 8;

/** Limit of the format on the length of the header. */
export const MAX_HEADER_BYTES = 100_000_000;

/** dtypes by their names in safetensors. A file may contain tensors of other dtypes (F4, C64 …), which are not read. */
const STORED = new Map<string, DType>(
  DTYPES.flatMap((dtype) => {
    const { safetensors }: ElementType = ELEMENT_TYPES[dtype];
    return safetensors === undefined ? [] : [[safetensors, dtype] as const];
  }),
);

const METADATA = '__metadata__';
const ENTRY_KEYS = ['dtype', 'shape', 'data_offsets'];

/** Tensor that the header describes. */
export interface StoredTensor {
  readonly name: string;
  /** undefined for a dtype that is not supported. */
  readonly dtype: DType | undefined;
  /** Name of the dtype in the file. */
  readonly storedDType: string;
  readonly shape: Shape;
  /** Offset of its first byte from the end of the header. */
  readonly begin: number;
  readonly byteLength: number;
}

/** Content of the header. */
export interface SafetensorsHeader {
  /** Tensors in the order of their bytes, which fill the file without holes. */
  readonly tensors: readonly StoredTensor[];
  /** Texts by name; empty when the file has no metadata. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Tensor of a supported dtype. */
export type ReadableTensor = StoredTensor & { readonly dtype: DType };

/**
 * Reads a header, without the length before it. It is strict where readers differ: names are unique, and the tensors neither
 * overlap nor leave holes. Tensors may have any dtype; requireReadable checks the requested ones.
 * https://github.com/huggingface/safetensors#format
 * @param requireName throws for a tensor that is not allowed. It is called for all names before the tensors are checked.
 * @throws LossmeterError malformed_body, invalid_tensor
 */
export function parseHeader(
  bytes: Uint8Array,
  requireName: (name: string) => void = () => undefined,
): SafetensorsHeader {
  const text = decodeText(bytes);
  const { [METADATA]: metadata, ...entries } = parseObject(text);
  for (const name of Object.keys(entries)) requireName(name);
  const twice = findDuplicateName(text);
  if (twice !== undefined) throw malformed(`has the name ${showValue(twice)} twice in one object`);
  const tensors = Object.entries(entries).map(([name, entry]) => requireEntry(name, entry));
  return { tensors: requireContiguous(tensors), metadata: requireMetadata(metadata) };
}

/** @throws LossmeterError invalid_tensor for a dtype that is not supported */
export function requireReadable(tensor: StoredTensor): ReadableTensor {
  if (tensor.dtype !== undefined) return tensor as ReadableTensor;
  throw unknownDType(tensor.name, tensor.storedDType);
}

function unknownDType(name: string, dtype: unknown): LossmeterError {
  const detail = `${name}.dtype is ${showValue(dtype)}, expected one of ${[...STORED.keys()].join(', ')}`;
  return refuse('invalid_tensor', pointerToTensor(name, 'dtype'), detail);
}

/** Encodes the start of a file: the length and the header, padded with spaces to align the tensors. */
export function encodeHeader(
  tensors: readonly (readonly [name: string, tensor: Tensor])[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  let end = 0;
  const entries = tensors.map(([name, { dtype, shape, data }]) => {
    const begin = end;
    end += data.byteLength;
    return [name, { dtype: ELEMENT_TYPES[dtype].safetensors, shape, data_offsets: [begin, end] }];
  });
  const text = Buffer.from(JSON.stringify({ [METADATA]: metadata, ...Object.fromEntries(entries) }));
  const length = Math.ceil(text.byteLength / LENGTH_BYTES) * LENGTH_BYTES;
  const header = Buffer.alloc(LENGTH_BYTES + length, ' ');
  header.writeBigUInt64LE(BigInt(length));
  text.copy(header, LENGTH_BYTES);
  return header;
}

function malformed(what: string, cause?: unknown): LossmeterError {
  return new LossmeterError('malformed_body', `the safetensors header ${what}`, [], { cause });
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw malformed('is not UTF-8', cause);
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (cause) {
    throw malformed(`is not JSON: ${(cause as SyntaxError).message}`, cause);
  }
  if (isObject(header)) return header;
  throw malformed(`is ${showValue(header)}, expected an object`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Finds the first duplicate name in an object: JSON.parse would keep only the last value. @param json valid JSON text */
function findDuplicateName(json: string): string | undefined {
  /** Names of the enclosing objects, innermost last; undefined for arrays. */
  const around: (Set<string> | undefined)[] = [];
  let before = '';
  for (let at = 0; at < json.length; at++) {
    const char = json[at]!;
    if (char === '"') {
      const begin = at++;
      while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
      const names = around.at(-1);
      if (names === undefined || before === ':') continue;
      const name = JSON.parse(json.slice(begin, at + 1)) as string;
      if (names.has(name)) return name;
      names.add(name);
    } else if (char === '{' || char === '[') {
      around.push(char === '{' ? new Set() : undefined);
      before = char;
    } else if (char === '}' || char === ']') {
      around.pop();
    } else if (char === ',' || char === ':') {
      before = char;
    }
  }
  return undefined;
}

/** Returns the metadata. Null means no metadata, as in the safetensors library. */
function requireMetadata(metadata: unknown): Readonly<Record<string, string>> {
  if (metadata === undefined || metadata === null) return {};
  if (!isObject(metadata)) throw malformed(`has ${showValue(metadata)} as ${METADATA}, expected an object of texts`);
  for (const [name, value] of Object.entries(metadata)) {
    if (typeof value === 'string') continue;
    const detail = `${METADATA}.${showValue(name)} is ${showValue(value)}, expected text: safetensors has no other metadata`;
    throw refuse('malformed_body', pointerTo(METADATA, name), detail);
  }
  return metadata as Record<string, string>;
}

/** @throws LossmeterError malformed_body, invalid_tensor */
function requireEntry(name: string, entry: unknown): StoredTensor {
  if (!isObject(entry)) {
    throw malformed(`has ${showValue(entry)} for ${name}, expected {"dtype", "shape", "data_offsets"}`);
  }
  const unknown = Object.keys(entry).find((key) => !ENTRY_KEYS.includes(key));
  if (unknown !== undefined) {
    throw malformed(`has the key ${showValue(unknown)} in ${name}, expected ${ENTRY_KEYS.join(', ')}`);
  }
  const { dtype: storedDType } = entry;
  if (typeof storedDType !== 'string') throw unknownDType(name, storedDType);
  const dtype = STORED.get(storedDType);
  const shape = requireShape(name, entry['shape']);
  const [begin, end] = requireOffsets(name, entry['data_offsets']);
  if (dtype !== undefined) requireByteLength(name, dtype, shape, end - begin);
  return { name, dtype, storedDType, shape, begin, byteLength: end - begin };
}

function requireOffsets(name: string, offsets: unknown): readonly [number, number] {
  if (Array.isArray(offsets) && offsets.length === 2) {
    const [begin, end] = offsets as unknown[];
    const isOffset = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
    if (isOffset(begin) && isOffset(end) && begin <= end) return [begin, end];
  }
  throw wrongOffsets(name, `${name}.data_offsets is ${showValue(offsets)}, expected [begin, end] with 0 ≤ begin ≤ end`);
}

/** @returns the tensors in the order of their bytes */
function requireContiguous(tensors: readonly StoredTensor[]): StoredTensor[] {
  const ordered = tensors.toSorted((a, b) => a.begin - b.begin || a.byteLength - b.byteLength);
  let end = 0;
  let previous = 'the header';
  for (const { name, begin, byteLength } of ordered) {
    if (begin !== end) {
      const what = begin < end ? 'overlap' : 'leave a hole';
      const detail = `${name}.data_offsets ${what}: ${name} begins at byte ${begin}, but ${previous} ends at byte ${end}`;
      throw wrongOffsets(name, detail);
    }
    end += byteLength;
    previous = name;
  }
  return ordered;
}

/** JSON Pointer to a key of a tensor. Fields of requests have the same pointer in every format. */
function pointerToTensor(name: string, key: string): string {
  return isTensorName(name) ? placeIn(name, key) : pointerTo(name, key);
}

function wrongOffsets(name: string, detail: string): LossmeterError {
  return refuse('invalid_tensor', pointerToTensor(name, 'data_offsets'), detail);
}
