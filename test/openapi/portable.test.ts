import { expect, test } from 'vitest';
import { requestSchema, responseSchema } from '../../src/contract/portable.ts';

test('a property with a default is optional in a request, and required in an answer', () => {
  const schema = { required: ['a', 'b'], properties: { a: { default: 1 }, b: {} } };
  expect(requestSchema(schema).required).toEqual(['b']);
  expect(responseSchema(schema).required).toEqual(['a', 'b']);
});

test('the default of an object is left to its properties, that of a union to its first alternative', () => {
  const options = {
    properties: { config: { properties: {}, default: {} }, index: { anyOf: [{}, {}], default: -100 } },
  };
  expect(requestSchema(options).properties).toEqual({
    config: { properties: {} },
    index: { anyOf: [{ default: -100 }, {}] },
  });
});

test('alternatives exclude each other where one is an object', () => {
  const object = { properties: {} };
  expect(responseSchema({ anyOf: [object, { type: 'array' }] })).toEqual({ oneOf: [object, { type: 'array' }] });
  expect(responseSchema({ anyOf: [{ type: 'boolean' }] })).toEqual({ anyOf: [{ type: 'boolean' }] });
});

test('numbers have a format, and the bounds of float64 are left to it', () => {
  const bounds = { minimum: -Number.MAX_VALUE, maximum: Number.MAX_VALUE };
  expect(responseSchema({ type: 'number', ...bounds })).toEqual({ type: 'number', format: 'double' });
  const share = { type: 'number', minimum: 0, maximum: 1 };
  expect(responseSchema(share)).toEqual({ ...share, format: 'double' });
  const count = { type: 'integer', minimum: 0, maximum: 2 ** 31 };
  expect(responseSchema(count)).toEqual({ ...count, format: 'int64' });
  expect(responseSchema({ ...count, maximum: 5 }).format).toBeUndefined();
});
