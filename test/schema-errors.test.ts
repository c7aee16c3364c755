import { Type } from '#typebox';
import type { TSchema } from '#typebox';
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
  [{ state: 'done' }, '/state', 'must be one of running, failed'],
  [{ tensors: 1 }, '/tensors', 'must be an object'],
  [null, '', 'must be an object'],
])('%j', (value, pointer, detail) => {
  expect(explained(value)).toEqual([[pointer, detail]]);
});

test.each<[TSchema, unknown, string]>([
  [Type.Integer(), 1.5, 'must be an integer'],
  [Type.Boolean(), 'x', 'must be true or false'],
  [Type.Array(Type.String()), 'x', 'must be a list'],
  [Type.Literal(2), 1, 'must be 2'],
  [Type.Object({ label: Type.String(), state: Type.String() }), {}, 'must have label, state'],
  [Type.Number({ minimum: 1 }), 0, 'must be at least 1'],
  [Type.Number({ maximum: 1 }), 2, 'must be at most 1'],
  [Type.Number({ exclusiveMinimum: 1 }), 1, 'must be greater than 1'],
  [Type.Number({ exclusiveMaximum: 1 }), 1, 'must be less than 1'],
  [Type.String({ minLength: 1 }), '', 'must have at least 1 character'],
  [Type.String({ maxLength: 2 }), 'abc', 'must have at most 2 characters'],
  [Type.Array(Type.Any(), { minItems: 1 }), [], 'must have at least 1 entry'],
  [Type.Array(Type.Any(), { maxItems: 0 }), [1], 'must have at most 0 entries'],
  [Type.Object({}, { minProperties: 1 }), {}, 'must have at least 1 entry'],
  [Type.Object({}, { maxProperties: 1 }), { a: 1, b: 2 }, 'must have at most 1 entry'],
  [Type.Array(Type.Any(), { uniqueItems: true }), [1, 1], 'must not have the same entry twice'],
])('%j does not accept %j', (schema, value, explanation) => {
  expect(schemaErrors(schema, value).map((error) => explainSchemaError(error, schema))).toEqual([explanation]);
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
