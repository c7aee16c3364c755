import { expect, test } from 'vitest';
import {
  BIT_FORMATS,
  DTYPES,
  DTYPE_BYTES,
  DTYPE_SYNONYMS,
  ELEMENT_TYPES,
  FLOAT8_DTYPES,
  FLOAT_DTYPES,
  KERNEL_DTYPES,
  isFloatDType,
} from '../../src/tensor/dtype.ts';
import type { ElementType } from '../../src/tensor/dtype.ts';
import { elementsOf, numberReader, numbersOf, roundTo } from '../../src/tensor/tensor.ts';

const rows: [string, ElementType][] = Object.entries(ELEMENT_TYPES);

test.each(rows)('%s is either floating point or has a range of integers', (_, { float, range }) => {
  expect([float, range].filter((one) => one !== undefined)).toHaveLength(1);
});

test.each(rows)('the array of %s has elements of its width', (_, { bytes, View }) => {
  expect(View.BYTES_PER_ELEMENT).toBe(bytes);
});

test.each(rows)('the array of %s holds its range and nothing beyond', (dtype, { View, range }) => {
  if (range === undefined || dtype === 'bool') return;
  const kept = (value: bigint): string => {
    const array = new View(1);
    if (array instanceof BigInt64Array || array instanceof BigUint64Array) array[0] = value;
    else array[0] = Number(value);
    return String(array[0]);
  };
  const [least, greatest] = range;
  expect([least, greatest].map(kept)).toEqual([least, greatest].map(String));
  expect(kept(least - 1n)).toBe(String(greatest));
});

test('no two dtypes have the same name in a format', () => {
  for (const nameOf of [(row: ElementType) => row.safetensors, (row: ElementType) => row.openInference]) {
    const names = rows.map(([, row]) => nameOf(row)).filter((name) => name !== undefined);
    expect(new Set(names).size).toBe(names.length);
  }
  const numpy = rows.flatMap(([, row]) => row.readAs ?? row.numpy ?? []);
  expect(new Set(numpy).size).toBe(numpy.length);
});

test('a synonym stands for one dtype', () => {
  const names = rows.flatMap(([, { synonyms = [] }]) => synonyms);
  expect(new Set(names).size).toBe(names.length);
  expect(DTYPE_SYNONYMS).toMatchObject({ half: 'float16', bf16: 'bfloat16', '<f4': 'float32', long: 'int64' });
});

test.each(KERNEL_DTYPES)('numbers of %s survive rounding and reading', (dtype) => {
  const numbers = Float64Array.of(0, -0, 1, -1.5, 0.25, Infinity, -Infinity, Number.NaN);
  const tensor = { dtype, shape: [numbers.length], data: new Uint8Array(numbers.length * DTYPE_BYTES[dtype]) };
  roundTo(elementsOf(tensor), dtype, numbers);
  expect(numbersOf(tensor)).toEqual(numbers);
  expect(Array.from(numbers, (_, index) => numberReader(tensor)(index))).toEqual([...numbers]);
});

test('bits of bfloat16 round to the nearest, and of two to the even one', () => {
  const { fromBits, toBits } = BIT_FORMATS.bfloat16!;
  const wrong: number[] = [];
  for (let bits = 0; bits < 2 ** 16; bits++) {
    const value = fromBits(bits);
    const isKept = Number.isNaN(value) ? Number.isNaN(fromBits(toBits(value))) : toBits(value) === bits;
    const next = fromBits(bits + 1);
    const hasMiddle = Number.isFinite(value) && Number.isFinite(next) && Math.sign(value) === Math.sign(next);
    if (!isKept || (hasMiddle && toBits((value + next) / 2) !== bits + (bits & 1))) wrong.push(bits);
  }
  expect(wrong).toEqual([]);
});

test('dtypes of floating point are those with such properties', () => {
  expect(DTYPES.filter(isFloatDType)).toEqual(FLOAT_DTYPES);
  expect(FLOAT_DTYPES).toEqual([...KERNEL_DTYPES, ...FLOAT8_DTYPES]);
});
