import { refuse } from '../../errors.ts';
import { showValue } from '../../suggestion.ts';
import { DTYPE_BYTES, isFloatDType } from '../../tensor/dtype.ts';
import type { DType } from '../../tensor/dtype.ts';
import { elementsOf } from '../../tensor/tensor.ts';
import { NON_FINITE } from '../non-finite.ts';
import type { NumberArray } from '../json-text/number-array.ts';

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

/** Returns true for tensors in which null means NaN. Others refuse NaN, and so null. */
function mayHoldNull(field: string): boolean {
  return field === 'logits' || field === 'label';
}

/**
 * Array entries to the bytes of a dtype: numbers, bigints and booleans; for floating point also the strings "NaN",
 * "Infinity" and "-Infinity", and null. Floats are rounded to the dtype, integers must be exact.
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
      const nonFinite = value === null && mayHoldNull(field) ? Number.NaN : NON_FINITE.get(value);
      if (nonFinite !== undefined) return nonFinite;
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
        return bytesOf(toBfloat16(numbers));
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

/**
 * The same for numbers that were read into a NumberArray, run by run.
 * @throws LossmeterError invalid_tensor with the first entry that does not fit
 */
export function encodeNumbers(field: string, dtype: DType, numbers: NumberArray): Uint8Array {
  const { fault, firstNull } = numbers;
  const wrong = (index: number, value: number | bigint, expected: string): Error => {
    const shown = index === firstNull ? 'null' : showValue(fault?.index === index ? fault.value : value);
    return refuse(
      'invalid_tensor',
      `/${field}/data/${index}`,
      `entry ${index} of ${field} is ${shown}, expected ${expected}`,
    );
  };
  const bytes = new Uint8Array(numbers.length * DTYPE_BYTES[dtype]);
  let at = 0;
  if (isFloatDType(dtype)) {
    const index = fault?.index ?? (mayHoldNull(field) ? undefined : firstNull);
    if (index !== undefined) throw wrong(index, Number.NaN, 'a number, "NaN", "Infinity" or "-Infinity"');
    const elements = elementsOf({ dtype, shape: [], data: bytes });
    for (const run of numbers.runs()) {
      elements.set(dtype === 'bfloat16' ? toBfloat16(run) : run, at);
      at += run.length;
    }
    return bytes;
  }
  const [low, high] = RANGES[dtype];
  const [least, greatest] = [
    Math.max(Number(low), Number.MIN_SAFE_INTEGER),
    Math.min(Number(high), Number.MAX_SAFE_INTEGER),
  ];
  const isWide = dtype === 'int64' || dtype === 'uint64';
  // By halves: a 64-bit element would be written as a BigInt.
  const elements = isWide ? new Int32Array(bytes.buffer) : elementsOf({ dtype, shape: [], data: bytes });
  const wide = isWide ? new BigInt64Array(bytes.buffer) : undefined;
  for (const [place, run] of numbers.runs().toArray().entries()) {
    for (const [k, value] of run.entries()) {
      if (!(Number.isInteger(value) && value >= least && value <= greatest)) {
        const integer = numbers.integerAt(place, k);
        if (!isWide || integer === undefined || integer < low || integer > high) {
          throw wrong(at + k, integer ?? value, `an integer of ${dtype}, in [${low}, ${high}]`);
        }
        wide![at + k] = BigInt.asIntN(64, integer);
      } else if (isWide) {
        elements[2 * (at + k)] = value;
        elements[2 * (at + k) + 1] = Math.floor(value / 2 ** 32);
      } else elements[at + k] = value;
    }
    at += run.length;
  }
  return bytes;
}

function toBfloat16(run: Float64Array): Uint16Array {
  return Uint16Array.from(new Uint32Array(Float32Array.from(run).buffer), roundToBfloat16);
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** float32 bits to bfloat16 bits, to nearest even; a NaN stays one. */
function roundToBfloat16(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
