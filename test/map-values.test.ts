import { expect, test } from 'vitest';
import { mapValues } from '../src/map-values.ts';

test('values are mapped, names and their order are kept', () => {
  expect(Object.entries(mapValues({ b: 1, a: 2 }, (value) => value * 10))).toEqual([
    ['b', 10],
    ['a', 20],
  ]);
});

test('an object without values stays one', () => {
  expect(mapValues({}, () => 1)).toEqual({});
});
