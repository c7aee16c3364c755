import { LossmeterError, refuse } from '../../errors.ts';
import { showValue } from '../../suggestion.ts';
import { DTYPE_BYTES } from '../../tensor/dtype.ts';
import type { DType } from '../../tensor/dtype.ts';
import { elementsOf } from '../../tensor/tensor.ts';

/**
 * Arrays as the Python package msgpack-numpy writes them: {nd: true, type: '<f4', kind: '', shape, data}, with keys that
 * are bin. https://github.com/lebedov/msgpack-numpy
 */
export const NUMPY_KEYS = ['nd', 'type', 'kind', 'shape', 'data'] as const;

/** NumPy's names for dtypes, by which arrays are written. It has no bfloat16: that goes out as its bits. */
export const NUMPY_TYPES: Readonly<Record<DType, string>> = {
  float16: '<f2',
  bfloat16: '<u2',
  float32: '<f4',
  float64: '<f8',
  int8: '|i1',
  int16: '<i2',
  int32: '<i4',
  int64: '<i8',
  uint8: '|u1',
  uint16: '<u2',
  uint32: '<u4',
  uint64: '<u8',
  bool: '|b1',
};

const DTYPES = new Map(
  Object.entries(NUMPY_TYPES).flatMap(([dtype, type]) => (dtype === 'bfloat16' ? [] : [[type, dtype as DType]])),
);

/** Type names of two untyped bytes: bfloat16 in NumPy. */
const VOID_OF_TWO_BYTES = new Set<unknown>(['V2', '|V2', '<V2']);

/**
 * The number or truth of a scalar, {nd: false, type: '<f4', data}, as msgpack-numpy writes np.float32(0.1).
 * @returns undefined for any other map, and for types that are no numbers
 */
export function scalarFrom({
  nd,
  type,
  data,
  ...others
}: Record<string, unknown>): number | bigint | boolean | undefined {
  if (nd !== false || !(data instanceof Uint8Array) || Object.keys(others).length > 0) return undefined;
  const dtype = DTYPES.get(textOf(type) as string);
  if (dtype === undefined || data.byteLength !== DTYPE_BYTES[dtype]) return undefined;
  const [value] = elementsOf({ dtype, shape: [], data });
  if (dtype === 'bool') return value === 1;
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** Text that Python may have written as bin. */
export function textOf(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : value;
}

/**
 * Checks one key of an array. `shape` and `data` are those of any tensor, and not checked here.
 * @returns the dtype, when the key says it
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
    `/${field}/nd`,
    `${field} is ${what}, expected an array: numpy.asarray makes one of it`,
  );
}

function requireKind(field: string, kind: unknown): void {
  if (kind === '' || kind === 'V') return;
  if (kind === 'O') throw pickled(field, 'kind', kind);
  throw refuse('invalid_tensor', `/${field}/kind`, `${field}.kind is ${showValue(kind)}, expected "" or "V"`);
}

function requireType(field: string, value: unknown): DType {
  const type = textOf(value);
  const dtype = DTYPES.get(type as string);
  if (dtype !== undefined) return dtype;
  const plain = unstructured(type);
  if (VOID_OF_TWO_BYTES.has(plain)) return 'bfloat16';
  if (plain === '|O' || plain === 'O') throw pickled(field, 'type', type);
  let expected = `one of ${[...DTYPES.keys()].join(', ')}, or V2 for bfloat16`;
  if (typeof type === 'string' && type.startsWith('>')) {
    const little = type.replace('>', '<');
    if (DTYPES.has(little))
      expected = `"${little}": big-endian arrays are not read, array.astype("${little}") makes a copy`;
  }
  throw refuse('invalid_tensor', `/${field}/type`, `${field}.type is ${showValue(type)}, expected ${expected}`);
}

/** The type of an array of kind V or O, which is described like a structure of one field without a name. */
function unstructured(type: unknown): unknown {
  if (!Array.isArray(type) || type.length !== 1) return type;
  const [entry] = type as unknown[];
  if (!Array.isArray(entry) || entry.length !== 2 || textOf(entry[0]) !== '') return type;
  return textOf(entry[1]);
}

function pickled(field: string, key: 'type' | 'kind', value: unknown): LossmeterError {
  const detail = `${field}.${key} is ${showValue(value)}: an array of Python objects comes as a pickle, which is code and is never run here; send numbers`;
  return refuse('invalid_tensor', `/${field}/${key}`, detail);
}
