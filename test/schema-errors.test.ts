import { Type } from '#typebox';
import { expect, test } from 'vitest';
import { explainSchemaError, schemaErrors, shortened } from '../src/schema-errors.ts';

const Inner = Type.Object({ label: Type.Optional(Type.String()) }, { additionalProperties: false });
const Outer = Type.Object(
  { state: Type.Optional(Type.Enum(['running', 'failed'])), tensors: Type.Optional(Inner) },
  { additionalProperties: false },
);

const explained = (value: unknown): [string, string][] =>
  schemaErrors(Outer, value).map((error) => [error.instancePath, explainSchemaError(error, Outer)]);

test.each([
  [{ stat: 'failed' }, '/stat', 'is not a known field, did you mean state?'],
  [{ tensors: { labl: 'x' } }, '/tensors/labl', 'is not a known field, did you mean label?'],
  [{ bananas: 1 }, '/bananas', 'is not a known field'],
  [{ state: 'done' }, '/state', 'must be equal to one of the allowed values: running, failed'],
  [{ tensors: 1 }, '/tensors', 'must be object'],
  [null, '', 'must be object'],
])('%j', (value, pointer, detail) => {
  expect(explained(value)).toEqual([[pointer, detail]]);
});

test('an unknown key is called what the caller calls it', () => {
  const [error] = schemaErrors(Outer, { stat: 'failed' });
  expect(explainSchemaError(error!, Outer, 'parameter')).toBe('is not a known parameter, did you mean state?');
});

test.each([
  ['a list', [1, 2, 3], [1, 2]],
  ['an object', { a: 1, b: 2, c: 3 }, { a: 1, b: 2 }],
  ['lists and objects within', { a: [[1, 2, 3], { b: 1, c: 2, d: 3 }] }, { a: [[1, 2], { b: 1, c: 2 }] }],
  ['what is shorter', { a: ['xyz', null] }, { a: ['xyz', null] }],
  ['a string', 'xyz', 'xyz'],
  ['null', null, null],
])('%s is shortened', (_, value, expected) => {
  expect(shortened(value, 2)).toEqual(expected);
});
