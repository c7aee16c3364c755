import { refuse } from '../../errors.ts';
import { placeIn, showValue } from '../../suggestion.ts';
import { DTYPE_BYTES, ELEMENT_TYPES, isFloatDType } from '../../tensor/dtype.ts';
import type { DType } from '../../tensor/dtype.ts';
import { elementsOf, roundTo } from '../../tensor/tensor.ts';
import { NON_FINITE } from '../non-finite.ts';
import type { NumberArray } from '../json-text/number-array.ts';

/** Returns true for tensors in which null means NaN. Other tensors refuse NaN, and therefore null. */
function mayHoldNull(field: string): boolean {
  return field === 'logits' || field === 'label';
}

/**
 * Encodes array entries as elements of a dtype. Entries are numbers, bigints and booleans; for floating point also the strings
 * "NaN", "Infinity" and "-Infinity", and null. Floats are rounded to the dtype, integers must be exact.
 * @throws LossmeterError invalid_tensor for the first invalid entry
 */
export function encodeElements(field: string, dtype: DType, values: readonly unknown[]): Uint8Array {
  const wrong = (index: number, expected: string): Error =>
    refuse(
      'invalid_tensor',
      placeIn(field, 'data', index),
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
    const bytes = new Uint8Array(numbers.length * DTYPE_BYTES[dtype]);
    roundTo(elementsOf({ dtype, shape: [], data: bytes }), dtype, numbers);
    return bytes;
  }
  const [low, high] = ELEMENT_TYPES[dtype].range;
  const integers = values.map((value, index) => {
    if (typeof value === 'bigint' || Number.isSafeInteger(value) || typeof value === 'boolean') {
      const integer = BigInt(value as bigint | number | boolean);
      if (integer >= low && integer <= high) return integer;
    }
    throw wrong(index, `an integer of ${dtype}, in [${low}, ${high}]`);
  });
  const bytes = new Uint8Array(integers.length * DTYPE_BYTES[dtype]);
  const elements = elementsOf({ dtype, shape: [], data: bytes });
  if (elements instanceof BigInt64Array || elements instanceof BigUint64Array) elements.set(integers);
  else elements.set(integers.map(Number));
  return bytes;
}

/**
 * Encodes the numbers of a NumberArray like encodeElements, run by run.
 * @throws LossmeterError invalid_tensor for the first invalid entry
 */
export function encodeNumbers(field: string, dtype: DType, numbers: NumberArray): Uint8Array {
  const { fault, firstNull } = numbers;
  const wrong = (index: number, value: number | bigint, expected: string): Error => {
    const shown = index === firstNull ? 'null' : showValue(fault?.index === index ? fault.value : value);
    return refuse(
      'invalid_tensor',
      placeIn(field, 'data', index),
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
      roundTo(elements.subarray(at, at + run.length), dtype, run);
      at += run.length;
    }
    return bytes;
  }
  const [low, high] = ELEMENT_TYPES[dtype].range;
  const [least, greatest] = [
    Math.max(Number(low), Number.MIN_SAFE_INTEGER),
    Math.min(Number(high), Number.MAX_SAFE_INTEGER),
  ];
  const isWide = dtype === 'int64' || dtype === 'uint64';
  // 64-bit elements are written as two int32 halves, because writing them whole needs a BigInt each.
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
