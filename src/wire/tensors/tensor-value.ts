import { LossmeterError, refuse } from '../../errors.ts';
import { placeIn, showValue, suggestName } from '../../suggestion.ts';
import { DTYPES, DTYPE_BYTES, DTYPE_SYNONYMS, isDType } from '../../tensor/dtype.ts';
import type { DType } from '../../tensor/dtype.ts';
import { MAX_RANK, elementCount, formatShape, isShape } from '../../tensor/shape.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { TENSORS, isTensorName } from '../request-fields.ts';
import type { TensorName } from '../request-fields.ts';
import { bytesOfBase64 } from './base64.ts';
import { encodeElements, encodeNumbers } from './elements.ts';
import { TENSOR_KEYS, formsOf, keysOf } from './forms.ts';
import { NumberArray, numbersFrom } from '../json-text/number-array.ts';

/** Place of a tensor in its request: the name of a field, or names and indices separated by slashes. */
type TensorField = string;

export type TensorKey = (typeof TENSOR_KEYS)[number];

/** @throws LossmeterError unknown_field */
export function requireTensorKey(field: TensorField, key: unknown): TensorKey {
  if ((TENSOR_KEYS as readonly unknown[]).includes(key)) return key as TensorKey;
  throw unknownKey(field, key);
}

/** Makes the error for an unknown key of a map that represents a tensor. */
export function unknownKey(field: TensorField, key: unknown): LossmeterError {
  const known = keysOf(field);
  // A known key is wrong only because it belongs to another form.
  const meant =
    typeof key === 'string' && !known.includes(key)
      ? suggestName(key, known, { type: 'dtype', size: 'shape', values: 'data' })
      : undefined;
  const hint = meant === undefined ? `; expected ${formsOf(field)}` : `, did you mean ${meant}?`;
  const pointer = placeIn(field, typeof key === 'string' ? key : showValue(key));
  return refuse('unknown_field', pointer, `unknown key ${showValue(key)} in ${field}${hint}`);
}

/** @throws LossmeterError invalid_tensor */
export function requireDType(field: TensorField, value: unknown): DType {
  if (isDType(value)) return value;
  const meant = typeof value === 'string' ? suggestName(value, DTYPES, DTYPE_SYNONYMS) : undefined;
  const hint = meant === undefined ? `one of ${DTYPES.join(', ')}` : meant;
  throw refuse('invalid_tensor', placeIn(field, 'dtype'), `${field}.dtype is ${showValue(value)}, expected ${hint}`);
}

/** @throws LossmeterError invalid_tensor when the tensor does not accept the dtype */
export function requireDTypeOf(field: TensorName, dtype: DType): DType {
  const dtypes: readonly DType[] = TENSORS[field].dtypes;
  if (dtypes.includes(dtype)) return dtype;
  const detail = `${field}.dtype is ${dtype}, expected one of ${dtypes.join(', ')}`;
  throw refuse('invalid_tensor', placeIn(field, 'dtype'), detail);
}

/** @throws LossmeterError invalid_tensor */
export function requireShape(field: TensorField, value: unknown): Shape {
  if (isShape(value)) return value;
  const detail = `${field}.shape is ${showValue(value)}, expected a list of at most ${MAX_RANK} integers that are not negative`;
  throw refuse('invalid_tensor', placeIn(field, 'shape'), detail);
}

/**
 * Checks that a number of bytes fills a shape exactly, before memory of that size is allocated.
 * @throws LossmeterError invalid_tensor
 */
export function requireByteLength(field: TensorField, dtype: DType, shape: Shape, byteLength: number): void {
  const count = elementCount(shape);
  const expected = count === undefined ? Number.NaN : count * DTYPE_BYTES[dtype];
  if (byteLength === expected) return;
  const needs = Number.isSafeInteger(expected) ? `${expected} bytes` : 'more bytes than can be counted';
  const detail = `${field}.data has ${byteLength} bytes, but shape ${formatShape(shape)} of ${dtype} needs ${needs}`;
  throw refuse('invalid_tensor', placeIn(field, 'data'), detail);
}

/**
 * Makes a tensor from a decoded value: `{dtype, shape, data}` with data as bytes, base64 text, or a flat or nested array; or
 * only a nested array. The dtype of an array without one comes from TENSORS for fields, and is float32 for other places.
 * TENSORS also lists the tensors of one axis that may be only bytes or base64 text, or have no shape.
 * @throws LossmeterError invalid_tensor, unknown_field
 */
export function tensorFromValue(field: TensorField, value: unknown): Tensor {
  if (Array.isArray(value)) return fromArray(field, value, undefined, undefined);
  if (value instanceof NumberArray) return fromNumbers(field, value, undefined, undefined);
  if (isScalar(field, value)) return fromArray(field, [value], undefined, []);
  const flat = isTensorName(field) ? TENSORS[field].flat : undefined;
  if (flat !== undefined && isBytes(value)) return flatTensor(field, flat, bytesFrom(field, value));
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) {
    throw noTensor(field, value);
  }
  const keys = Object.keys(value);
  if (keys.length === 0) throw noTensor(field, value);
  for (const key of keys) requireTensorKey(field, key);
  const { dtype, shape, data } = value as Partial<Record<TensorKey, unknown>>;
  const knownDType = dtype === undefined ? undefined : requireDType(field, dtype);
  const knownShape = shape === undefined ? undefined : requireShape(field, shape);
  if (Array.isArray(data)) return fromArray(field, data, knownDType, knownShape);
  if (data instanceof NumberArray) return fromNumbers(field, data, knownDType, knownShape);

  const known = { dtype: knownDType!, shape: knownShape! };
  if (isReadElements(data)) {
    const { elements, isDTypeAssumed, nulls } = data;
    const bytes = new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
    return { ...known, data: bytes, ...(isDTypeAssumed && { isDTypeAssumed }), ...nullsOf(nulls) };
  }

  if (data === undefined) throw missingKey(field, 'data');
  if (!isBytes(data)) {
    const detail = `${field}.data is ${showValue(data)}, expected bytes (msgpack bin), base64 text or an array`;
    throw refuse('invalid_tensor', placeIn(field, 'data'), detail);
  }
  const bytes = bytesFrom(field, data);
  if (knownDType === undefined) throw missingKey(field, 'dtype');
  if (knownShape === undefined) {
    if (flat !== undefined) return flatTensor(field, knownDType, bytes);
    throw missingKey(field, 'shape');
  }
  requireByteLength(field, knownDType, knownShape, bytes.byteLength);
  return { dtype: knownDType, shape: knownShape, data: bytes };
}

/** Elements that another thread has read, with their properties. No body contains a DataView, so the form is unambiguous. */
interface ReadElements extends Required<Pick<Tensor, 'isDTypeAssumed' | 'nulls'>> {
  readonly elements: DataView;
}

/** Converts a tensor to a value that can be sent to another thread. tensorFromValue is the inverse. */
export function valueFromTensor({ dtype, shape, data, ...more }: Tensor): Record<TensorKey, unknown> {
  return { dtype, shape, data: elementsAsValue(data, more) };
}

/** Data of such a value. */
export function elementsAsValue(
  bytes: Uint8Array,
  { isDTypeAssumed = false, nulls = 0 }: Pick<Tensor, 'isDTypeAssumed' | 'nulls'>,
): Uint8Array | ReadElements {
  if (!isDTypeAssumed && nulls === 0) return bytes;
  return { elements: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), isDTypeAssumed, nulls };
}

export function isReadElements(data: unknown): data is ReadElements {
  return typeof data === 'object' && data !== null && 'elements' in data && data.elements instanceof DataView;
}

/** Makes the error for a value in none of the forms of a field. */
export function noTensor(field: TensorField, value: unknown): LossmeterError {
  const detail = `${field} is ${showValue(value)}, expected ${formsOf(field)}`;
  return refuse('invalid_tensor', placeIn(field), detail);
}

export function missingKey(field: TensorField, key: TensorKey): LossmeterError {
  return refuse('invalid_tensor', placeIn(field), `${field} has no ${key}: expected {"dtype", "shape", "data"}`);
}

/** Returns true for bytes, and for text, which must be base64. */
function isBytes(value: unknown): value is Uint8Array | string {
  return typeof value === 'string' || value instanceof Uint8Array;
}

/** Makes a tensor of one axis from bytes without a shape. */
function flatTensor(field: TensorField, dtype: DType, data: Uint8Array): Tensor {
  const width = DTYPE_BYTES[dtype];
  const length = data.byteLength / width;
  if (Number.isInteger(length)) return { dtype, shape: [length], data };
  const detail = `${field} has ${data.byteLength} bytes, expected a multiple of ${width}: without a shape they are little-endian ${dtype} of one axis`;
  throw refuse('invalid_tensor', placeIn(field), detail);
}

function bytesFrom(field: TensorField, value: Uint8Array | string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  const bytes = bytesOfBase64(value);
  if (bytes instanceof Uint8Array) return bytes;
  throw notBase64(field, bytes.fault);
}

export function notBase64(field: TensorField, fault: string): LossmeterError {
  return refuse('invalid_tensor', placeIn(field, 'data'), `${field}.data is text that is not base64: ${fault}`);
}

function fromArray(
  field: TensorField,
  array: readonly unknown[],
  dtype: DType | undefined,
  shape: Shape | undefined,
): Tensor {
  const numbers = numbersFrom(array);
  if (numbers !== undefined) return fromNumbers(field, numbers, dtype, shape);
  // The array contains bigints: entries are encoded one by one.
  const nested = nestedShape(array);
  const values: unknown[] = nested.length > 1 ? array.flat(nested.length - 1) : [...array];
  if (values.length !== elementCount(nested) || values.some(Array.isArray)) throw ragged(field);
  const finalShape = shape ?? nested;
  requireEntries(field, finalShape, values.length);
  const finalDType = dtype ?? assumedDType(field, () => values.every(isInteger));
  const data = encodeElements(field, finalDType, values);
  const nulls = values.filter((value) => value === null).length;
  return { dtype: finalDType, shape: finalShape, data, ...assumption(dtype, finalDType), ...nullsOf(nulls) };
}

/** Makes a tensor from a NumberArray, and frees it. */
function fromNumbers(
  field: TensorField,
  numbers: NumberArray,
  dtype: DType | undefined,
  shape: Shape | undefined,
): Tensor {
  if (numbers.isRagged) throw ragged(field);
  const finalShape = shape ?? numbers.shape;
  requireEntries(field, finalShape, numbers.length);
  const areIntegers = (): boolean => numbers.runs().every((run) => run.every(Number.isInteger));
  const finalDType = dtype ?? assumedDType(field, areIntegers);
  const data = encodeNumbers(field, finalDType, numbers);
  numbers.free();
  return { dtype: finalDType, shape: finalShape, data, ...assumption(dtype, finalDType), ...nullsOf(numbers.nulls) };
}

function nullsOf(nulls: number): Pick<Tensor, 'nulls'> {
  return nulls === 0 ? {} : { nulls };
}

/** dtype of an array that was sent without one. */
function assumedDType(field: TensorField, areIntegers: () => boolean): DType {
  const untyped = isTensorName(field) ? TENSORS[field].untyped : 'float32';
  return untyped === 'int64' && !areIntegers() ? 'float32' : untyped;
}

/** Marks integers without a dtype: the shape of the logits decides if they are classes or probabilities. */
function assumption(given: DType | undefined, dtype: DType): Pick<Tensor, 'isDTypeAssumed'> {
  return given === undefined && dtype === 'int64' ? { isDTypeAssumed: true } : {};
}

function ragged(field: TensorField): LossmeterError {
  return refuse('invalid_tensor', placeIn(field), `${field} is a ragged array: its parts differ in length or depth`);
}

/** @throws LossmeterError invalid_tensor */
function requireEntries(field: TensorField, shape: Shape, entries: number): void {
  if (elementCount(shape) === entries) return;
  const detail = `${field}.data has ${entries} entries, but shape ${formatShape(shape)} needs ${elementCount(shape)}`;
  throw refuse('invalid_tensor', placeIn(field, 'data'), detail);
}

/** Returns true for a number or a boolean mask that may replace a tensor of one entry. */
function isScalar(field: TensorField, value: unknown): boolean {
  if (field === 'input_mask' && typeof value === 'boolean') return true;
  const mayBe = isTensorName(field) && TENSORS[field].scalar === true;
  return mayBe && (typeof value === 'number' || typeof value === 'bigint');
}

function isInteger(value: unknown): boolean {
  return typeof value === 'bigint' || Number.isInteger(value) || typeof value === 'boolean';
}

/** Lengths along the first entries. They are the shape unless the array is ragged. */
function nestedShape(array: readonly unknown[]): number[] {
  const shape: number[] = [];
  let inner: unknown = array;
  while (Array.isArray(inner)) {
    shape.push(inner.length);
    if (shape.length > MAX_RANK)
      throw new LossmeterError('invalid_tensor', `an array is nested deeper than ${MAX_RANK} axes`);
    inner = (inner as unknown[])[0];
  }
  return shape;
}
