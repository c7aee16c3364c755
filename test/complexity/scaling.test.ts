import { expect, test } from 'vitest';
import { LARGEST_EXPONENT, exponentOf } from './scaling.ts';

const SIZES = [1, 2, 4, 8];

test.each([
  ['a constant', () => 100, 0],
  ['linear work', (size: number) => 100 * size, 1],
  ['n log n', (size: number) => size * Math.log2(100_000 * size), 1.08],
  ['quadratic work', (size: number) => 100 * size ** 2, 2],
])('the exponent of %s', (_what, costOf, expected) => {
  expect(exponentOf({ costs: SIZES.map(costOf), floor: 0.001 })).toBeCloseTo(expected, 2);
});

test('noise of a tenth does not make linear work steep', () => {
  const costs = SIZES.map((size, k) => 100 * size * (k % 2 === 0 ? 0.9 : 1.1));
  expect(exponentOf({ costs, floor: 1 })).toBeLessThan(LARGEST_EXPONENT);
});

test('one step does not make linear work steep', () => {
  expect(exponentOf({ costs: [38, 75, 264, 463], floor: 20 })).toBeLessThan(LARGEST_EXPONENT);
});

test('a step at the largest size counts as growth', () => {
  expect(exponentOf({ costs: [20, 40, 80, 400], floor: 20 })).toBeGreaterThan(LARGEST_EXPONENT);
});

test('a further size shows whether that was only a step', () => {
  expect(exponentOf({ costs: [20, 40, 80, 400, 800], floor: 20 })).toBeLessThan(LARGEST_EXPONENT);
  expect(exponentOf({ costs: [20, 40, 80, 400, 2000], floor: 20 })).toBeGreaterThan(LARGEST_EXPONENT);
});

test('costs below the floor are equal', () => {
  expect(exponentOf({ costs: [1, 4, 9, 16], floor: 20 })).toBe(0);
});

test('quadratic work shows where the largest is twelve times the floor', () => {
  const costs = SIZES.map((size) => (240 * size ** 2) / 64);
  expect(exponentOf({ costs, floor: 20 })).toBeGreaterThan(LARGEST_EXPONENT);
});
