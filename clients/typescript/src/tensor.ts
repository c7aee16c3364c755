import type { components } from './document.ts';

export type DType = components['schemas']['DType'];

/** A tensor: its elements as bytes, row-major and little-endian. */
export interface Tensor {
  dtype: DType;
  shape: number[];
  data: Uint8Array;
}

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
} as const;

type ArrayDType = keyof typeof ARRAYS;

/** Typed arrays that `tensor` accepts. */
export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

/**
 * Makes a tensor of a typed array, without a copy.
 * @param dtype dtype of the elements, for a dtype without a typed array in JavaScript: `bfloat16` in a Uint16Array
 * @throws RangeError when the shape does not match the number of elements
 * @example tensor(new Float32Array([1, 2, 3]), [1, 3])
 */
export function tensor(array: TypedArray, shape: number[] = [array.length], dtype: DType = dtypeOf(array)): Tensor {
  const expected = shape.reduce((product, size) => product * size, 1);
  if (array.length !== expected) {
    throw new RangeError(`the array has ${array.length} elements, the shape ${shape.join('×')} has ${expected}`);
  }
  return { dtype, shape, data: new Uint8Array(array.buffer, array.byteOffset, array.byteLength) };
}

function dtypeOf(array: TypedArray): DType {
  const found = Object.entries(ARRAYS).find(([, type]) => array instanceof type);
  if (found === undefined) throw new TypeError(`${array.constructor.name} needs a dtype`);
  return found[0] as DType;
}

/**
 * The elements of a tensor as a typed array of its dtype.
 * @throws TypeError for a dtype for which JavaScript has no typed array; `data` has its bytes
 */
export function arrayOf({ dtype, data }: Tensor): TypedArray {
  const type = Object.hasOwn(ARRAYS, dtype) ? ARRAYS[dtype as ArrayDType] : undefined;
  if (type === undefined) throw new TypeError(`there is no typed array of ${dtype}`);
  // A copy, because a view must begin at a multiple of its element size.
  return new type(data.slice().buffer);
}
