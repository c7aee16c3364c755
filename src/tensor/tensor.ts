import { endianness } from 'node:os';
import { BIT_FORMATS, DTYPE_BYTES, ELEMENT_TYPES } from './dtype.ts';
import type { DType, FloatDType } from './dtype.ts';
import type { Shape } from './shape.ts';

/** Little-endian, row-major elements; `data` holds product(shape) × width bytes, at any alignment. */
export interface Tensor<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: Shape;
  readonly data: Uint8Array;
  /**
   * True for integers that were received without a dtype. They are stored as int64, but may stand for any dtype, and may
   * also be class probabilities.
   */
  readonly isDTypeAssumed?: boolean;
  /** Number of null entries, which were read as NaN. Absent when there are none. */
  readonly nulls?: number;
}

export function isTensor(value: unknown): value is Tensor {
  return typeof value === 'object' && value !== null && 'data' in value && value.data instanceof Uint8Array;
}

/** True when a value contains a tensor at any depth. Arrays are not searched, because answers have no tensors in arrays. */
export function containsTensor(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return isTensor(value) || Object.values(value).some(containsTensor);
}

if (endianness() !== 'LE') throw new Error('lossmeter reads tensors in place and needs a little-endian machine');

/** Typed array of the elements of a tensor; of their bits when JavaScript has no typed array for the dtype. */
export type ElementsOf<D extends DType> = InstanceType<(typeof ELEMENT_TYPES)[D]['View']>;

/** A typed view of the elements, or of a copy when the bytes are not aligned. */
export function elementsOf<D extends DType>(tensor: Tensor<D>): ElementsOf<D> {
  const { View } = ELEMENT_TYPES[tensor.dtype];
  const { data } = tensor;
  // Copies the bytes. slice() of a Buffer does not.
  const aligned = data.byteOffset % View.BYTES_PER_ELEMENT === 0 ? data : new Uint8Array(data);
  return new View(
    aligned.buffer as ArrayBuffer,
    aligned.byteOffset,
    aligned.byteLength / View.BYTES_PER_ELEMENT,
  ) as ElementsOf<D>;
}

/** Elements [from, to) of a tensor. */
export function partOf<D extends DType>({ dtype, data }: Tensor<D>, from: number, to: number): Tensor<D> {
  const width = DTYPE_BYTES[dtype];
  return { dtype, shape: [to - from], data: data.subarray(from * width, to * width) };
}

/** Elements as numbers; 64-bit integers are rounded. */
export function numbersOf(tensor: Tensor): Float64Array<ArrayBuffer> {
  const elements = elementsOf(tensor);
  if (elements instanceof BigInt64Array || elements instanceof BigUint64Array)
    return Float64Array.from(elements, Number);
  const format = BIT_FORMATS[tensor.dtype];
  return format === undefined ? new Float64Array(elements) : Float64Array.from(elements, format.fromBits);
}

/** Returns a function that reads single floating-point elements as numbers. */
export function numberReader(tensor: Tensor<FloatDType>): (index: number) => number {
  const elements = elementsOf(tensor);
  const format = BIT_FORMATS[tensor.dtype];
  return format === undefined ? (index) => elements[index]! : (index) => format.fromBits(elements[index]!);
}

/** Rounds numbers to the elements of a dtype. */
export function roundTo(elements: ElementsOf<FloatDType>, dtype: FloatDType, numbers: ArrayLike<number>): void {
  const format = BIT_FORMATS[dtype];
  if (format === undefined) elements.set(numbers);
  else for (let k = 0; k < numbers.length; k++) elements[k] = format.toBits(numbers[k]!);
}
