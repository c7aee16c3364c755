import { refuse } from '../errors.ts';
import { showValue } from '../suggestion.ts';
import { isFloatDType } from '../tensor/dtype.ts';
import type { DType } from '../tensor/dtype.ts';

/** Closed ranges of the integer dtypes. */
const RANGES = {
  int8: [-(2n ** 7n), 2n ** 7n - 1n],
  int16: [-(2n ** 15n), 2n ** 15n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint8: [0n, 2n ** 8n - 1n],
  uint16: [0n, 2n ** 16n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  bool: [0n, 1n],
} as const;

/** What JSON has for numbers that it has not. */
const NON_FINITE: Readonly<Record<string, number>> = { NaN: Number.NaN, Infinity, '-Infinity': -Infinity };

/**
 * Array entries to the bytes of a dtype: numbers, bigints and booleans; for floating point also the strings "NaN",
 * "Infinity" and "-Infinity". Floats are rounded to the dtype, integers must be exact.
 * @throws LossmeterError invalid_tensor with the first entry that does not fit
 */
export function encodeElements(field: string, dtype: DType, values: readonly unknown[]): Uint8Array {
  const wrong = (index: number, expected: string): Error =>
    refuse(
      'invalid_tensor',
      `/${field}/data/${index}`,
      `entry ${index} of ${field} is ${showValue(values[index])}, expected ${expected}`,
    );

  if (isFloatDType(dtype)) {
    const numbers = Float64Array.from(values, (value, index) => {
      if (typeof value === 'number') return value;
      if (typeof value === 'bigint' || typeof value === 'boolean') return Number(value);
      if (typeof value === 'string' && Object.hasOwn(NON_FINITE, value)) return NON_FINITE[value]!;
      throw wrong(index, 'a number, "NaN", "Infinity" or "-Infinity"');
    });
    switch (dtype) {
      case 'float64':
        return bytesOf(numbers);
      case 'float32':
        return bytesOf(Float32Array.from(numbers));
      case 'float16':
        return bytesOf(Float16Array.from(numbers));
      case 'bfloat16':
        return bytesOf(Uint16Array.from(new Uint32Array(Float32Array.from(numbers).buffer), roundToBfloat16));
    }
  }
  const [low, high] = RANGES[dtype];
  const integers = values.map((value, index) => {
    if (typeof value === 'bigint' || Number.isSafeInteger(value) || typeof value === 'boolean') {
      const integer = BigInt(value as bigint | number | boolean);
      if (integer >= low && integer <= high) return integer;
    }
    throw wrong(index, `an integer of ${dtype}, in [${low}, ${high}]`);
  });
  switch (dtype) {
    case 'int64':
      return bytesOf(BigInt64Array.from(integers));
    case 'uint64':
      return bytesOf(BigUint64Array.from(integers));
    case 'int32':
      return bytesOf(Int32Array.from(integers, Number));
    case 'uint32':
      return bytesOf(Uint32Array.from(integers, Number));
    case 'int16':
      return bytesOf(Int16Array.from(integers, Number));
    case 'uint16':
      return bytesOf(Uint16Array.from(integers, Number));
    case 'int8':
      return bytesOf(Int8Array.from(integers, Number));
    case 'uint8':
    case 'bool':
      return Uint8Array.from(integers, Number);
  }
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** float32 bits to bfloat16 bits, to nearest even; a NaN stays one. */
function roundToBfloat16(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
