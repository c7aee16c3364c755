import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CompensatedSum, euclideanNorm } from '../src/summation.ts';
import { runAtOnce } from '../src/steps.ts';
import { exactSum } from './reference.ts';

function sum(values: number[]): number {
  const total = new CompensatedSum();
  for (const value of values) total.add(value);
  return total.value;
}

const normOf = (values: number[]): number => runAtOnce(euclideanNorm(values));

test('keeps what plain addition loses', () => {
  expect(sum([1, 1e100, 1, -1e100])).toBe(2);
  expect(sum(Array.from({ length: 10 }, () => 0.1))).toBe(1);
});

test('a non-finite term gives what IEEE 754 says', () => {
  expect(sum([1, Infinity, 2])).toBe(Infinity);
  expect(sum([1, -Infinity, 2])).toBe(-Infinity);
  expect(sum([Infinity, -Infinity])).toBeNaN();
  expect(sum([1, Number.NaN, 2])).toBeNaN();
  expect(sum([1.7e308, 1.7e308])).toBe(Infinity);
});

test('is the correctly rounded sum of rational numbers, but for an ulp', () => {
  const integers = fc.array(fc.bigInt({ min: -(2n ** 52n), max: 2n ** 52n }), { maxLength: 200 });
  fc.assert(
    fc.property(integers, fc.integer({ min: -60, max: 60 }), (values, exponent) => {
      const scale = 2 ** exponent;
      const exact = Number(values.reduce((a, b) => a + b, 0n)) * scale;
      const got = sum(values.map((value) => Number(value) * scale));
      expect(Math.abs(got - exact)).toBeLessThanOrEqual(Math.abs(exact) * 2 ** -52);
      expect(exactSum(values.map((value) => Number(value) * scale))).toBe(got);
    }),
  );
});

test.each([1, 2 ** 531, 2 ** -664, 2 ** 1000, 5e-324])(
  'the norm of values of size %d stays within the range of float64',
  (size) => {
    expect(normOf([3 * size, -4 * size])).toBe(5 * size);
  },
);

test('the norm of nothing and of zeros is 0, that of a non-finite value is not finite', () => {
  expect([normOf([]), normOf([0, -0])]).toEqual([0, 0]);
  expect(normOf([1, -Infinity])).toBe(Infinity);
  expect(normOf([1, Number.NaN, Infinity])).toBeNaN();
});
