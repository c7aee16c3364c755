import { LossmeterError, refuse } from '../../errors.ts';
import { placeIn, showValue } from '../../suggestion.ts';
import { DTYPES, DTYPE_BYTES, ELEMENT_TYPES } from '../../tensor/dtype.ts';
import type { DType, ElementType } from '../../tensor/dtype.ts';
import { elementsOf } from '../../tensor/tensor.ts';

/**
 * Keys of arrays that the Python package msgpack-numpy writes: {nd: true, type: '<f4', kind: '', shape, data}. The keys are
 * bin. https://github.com/lebedov/msgpack-numpy
 */
export const NUMPY_KEYS = ['nd', 'type', 'kind', 'shape', 'data'] as const;

/** dtypes by NumPy's names for them. */
const NAMED = new Map<unknown, DType>();

/** dtypes by NumPy's names for the untyped bytes of dtypes that other packages define. */
const UNTYPED = new Map<unknown, DType>();

for (const dtype of DTYPES) {
  const row: ElementType = ELEMENT_TYPES[dtype];
  if (row.readAs === undefined) NAMED.set(row.numpy, dtype);
  else for (const name of row.readAs) UNTYPED.set(name, dtype);
}

/**
 * Reads a NumPy scalar, {nd: false, type: '<f4', data}: msgpack-numpy writes np.float32(0.1) like this.
 * @returns undefined for any other map, and for types that are not numbers or booleans
 */
export function scalarFrom({
  nd,
  type,
  data,
  ...others
}: Record<string, unknown>): number | bigint | boolean | undefined {
  if (nd !== false || !(data instanceof Uint8Array) || Object.keys(others).length > 0) return undefined;
  const dtype = NAMED.get(textOf(type));
  if (dtype === undefined || data.byteLength !== DTYPE_BYTES[dtype]) return undefined;
  const [value] = elementsOf({ dtype, shape: [], data });
  if (dtype === 'bool') return value === 1;
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** Decodes text that Python may have written as bin. Returns other values unchanged. */
export function textOf(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : value;
}

/**
 * Checks one key of an array. `shape` and `data` are the same for all tensors, and are checked elsewhere.
 * @returns the dtype, for the key `type`
 * @throws LossmeterError invalid_tensor
 */
export function readNumpyKey(field: string, key: 'nd' | 'type' | 'kind', value: unknown): DType | undefined {
  switch (key) {
    case 'nd':
      requireArray(field, value);
      return undefined;
    case 'kind':
      requireKind(field, textOf(value));
      return undefined;
    case 'type':
      return requireType(field, value);
  }
}

function requireArray(field: string, nd: unknown): void {
  if (nd === true) return;
  const what = nd === false ? 'a NumPy scalar' : `a map with ${showValue(nd)} as nd`;
  throw refuse(
    'invalid_tensor',
    placeIn(field, 'nd'),
    `${field} is ${what}, expected an array: numpy.asarray makes one of it`,
  );
}

function requireKind(field: string, kind: unknown): void {
  if (kind === '' || kind === 'V') return;
  if (kind === 'O') throw pickled(field, 'kind', kind);
  throw refuse('invalid_tensor', placeIn(field, 'kind'), `${field}.kind is ${showValue(kind)}, expected "" or "V"`);
}

function requireType(field: string, value: unknown): DType {
  const type = textOf(value);
  const dtype = NAMED.get(type);
  if (dtype !== undefined) return dtype;
  const plain = unstructured(type);
  const untyped = UNTYPED.get(plain);
  if (untyped !== undefined) return untyped;
  if (plain === '|O' || plain === 'O') throw pickled(field, 'type', type);
  let expected = `one of ${[...NAMED.keys()].join(', ')}, or ${[...UNTYPED].map(([name, of]) => `${String(name)} for ${of}`)[0]}`;
  if (typeof plain === 'string' && plain.endsWith('V1')) {
    expected += '; NumPy calls every float8 V1: send {"dtype", "shape", "data"}';
  }
  if (typeof type === 'string' && type.startsWith('>')) {
    const little = type.replace('>', '<');
    if (NAMED.has(little))
      expected = `"${little}": big-endian arrays are not read, array.astype("${little}") makes a copy`;
  }
  throw refuse('invalid_tensor', placeIn(field, 'type'), `${field}.type is ${showValue(type)}, expected ${expected}`);
}

/** Type of an array of kind V or O, which is described as a structure of one unnamed field. Returns other types unchanged. */
function unstructured(type: unknown): unknown {
  if (!Array.isArray(type) || type.length !== 1) return type;
  const [entry] = type as unknown[];
  if (!Array.isArray(entry) || entry.length !== 2 || textOf(entry[0]) !== '') return type;
  return textOf(entry[1]);
}

function pickled(field: string, key: 'type' | 'kind', value: unknown): LossmeterError {
  const detail = `${field}.${key} is ${showValue(value)}: an array of Python objects comes as a pickle, which is code and is never run here; send numbers`;
  return refuse('invalid_tensor', placeIn(field, key), detail);
}
