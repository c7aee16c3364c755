import { endianness } from 'node:os';
import type { DType } from './dtype.ts';
import type { Shape } from './shape.ts';

/** Little-endian, row-major elements; `data` holds product(shape) × width bytes, at any alignment. */
export interface Tensor<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: Shape;
  readonly data: Uint8Array;
  /**
   * True for integers that came without a dtype. Their int64 may stand for any dtype, and they may also be class
   * probabilities.
   */
  readonly isDTypeAssumed?: boolean;
  /** Number of null entries, which were read as NaN. Absent when there are none. */
  readonly nulls?: number;
}

export function isTensor(value: unknown): value is Tensor {
  return typeof value === 'object' && value !== null && 'data' in value && value.data instanceof Uint8Array;
}

/** True when a value contains a tensor at any depth. Arrays are not searched: answers have no tensors in them. */
export function containsTensor(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return isTensor(value) || Object.values(value).some(containsTensor);
}

if (endianness() !== 'LE') throw new Error('lossmeter reads tensors in place and needs a little-endian machine');

const VIEWS = {
  float16: Float16Array,
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
  bool: Uint8Array,
  bfloat16: Uint16Array,
} as const;

/** Elements of a tensor as a JavaScript typed array; the bits of bfloat16. */
export type ElementsOf<D extends DType> = InstanceType<(typeof VIEWS)[D]>;

/** A typed view of the elements, of a copy when the bytes are not aligned. */
export function elementsOf<D extends DType>(tensor: Tensor<D>): ElementsOf<D> {
  const View = VIEWS[tensor.dtype];
  const { data } = tensor;
  // Buffer's own slice() copies nothing.
  const aligned = data.byteOffset % View.BYTES_PER_ELEMENT === 0 ? data : new Uint8Array(data);
  return new View(
    aligned.buffer as ArrayBuffer,
    aligned.byteOffset,
    aligned.byteLength / View.BYTES_PER_ELEMENT,
  ) as ElementsOf<D>;
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** Value of a bfloat16 from its bits. */
export function fromBfloat16(bits: number): number {
  word[0] = bits << 16;
  return float[0]!;
}

/** Elements as numbers; 64-bit integers are rounded. */
export function numbersOf(tensor: Tensor): Float64Array<ArrayBuffer> {
  if (tensor.dtype === 'bfloat16') return Float64Array.from(elementsOf(tensor as Tensor<'bfloat16'>), fromBfloat16);
  const elements = elementsOf(tensor);
  if (elements instanceof BigInt64Array || elements instanceof BigUint64Array)
    return Float64Array.from(elements, Number);
  return new Float64Array(elements);
}
