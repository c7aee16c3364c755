import { expect, test } from 'vitest';
import { withComponents } from '../../src/contract/components.ts';

const rows = { title: 'Rows', type: 'integer', minimum: 0 };

/** A document of one operation, with the schema of its answer. */
const documentOf = (schema: object) => ({
  info: { title: 'Planted' },
  components: { securitySchemes: {} },
  paths: { '/rows': { get: { responses: { 200: { content: { 'application/json': { schema } } } } } } },
});

const schemaOf = (document: object) => (document as ReturnType<typeof documentOf>).paths['/rows'].get.responses;
const componentsOf = (document: object) => (document as { components: { schemas: object } }).components;

test('a schema with a title becomes a component, and its uses refer to it', () => {
  const made = withComponents(documentOf({ type: 'array', items: rows }), {});
  expect(schemaOf(made)).toEqual({
    200: {
      content: { 'application/json': { schema: { type: 'array', items: { $ref: '#/components/schemas/Rows' } } } },
    },
  });
  expect(componentsOf(made).schemas).toEqual({ Rows: { type: 'integer', minimum: 0 } });
  expect(made['info']).toEqual({ title: 'Planted' });
});

test('annotations that uses share stand in the component, the others beside the reference', () => {
  const of = (description: string) => ({ ...rows, description, examples: [2] });
  const made = withComponents(documentOf({ properties: { counted: of('Counted.'), masked: of('Masked.') } }), {});
  const reference = { $ref: '#/components/schemas/Rows' };
  expect(schemaOf(made)[200].content['application/json'].schema).toEqual({
    properties: {
      counted: { ...reference, description: 'Counted.' },
      masked: { ...reference, description: 'Masked.' },
    },
  });
  expect(componentsOf(made).schemas).toEqual({ Rows: { type: 'integer', minimum: 0, examples: [2] } });
});

test('a name of two different schemas is an error, however deep they differ', () => {
  const other = { title: 'Batch', properties: { rows: { type: 'integer', minimum: 1 } } };
  const batch = { title: 'Batch', properties: { rows: { type: 'integer', minimum: 0 } } };
  expect(() => withComponents(documentOf({ anyOf: [batch, other] }), {})).toThrow('two parts have the name Batch');
  expect(() => withComponents(documentOf({ anyOf: [batch, { ...batch }] }), {})).not.toThrow();
});

test('properties and examples that are called title are no names', () => {
  const problem = { properties: { title: { type: 'string' } }, examples: [{ title: 'Rows' }] };
  const made = withComponents(documentOf(problem), {});
  expect(schemaOf(made)[200].content['application/json'].schema).toEqual(problem);
  expect(componentsOf(made).schemas).toEqual({});
});

test('named responses are components with references of their own', () => {
  const document = {
    components: {},
    paths: { '/': { get: { responses: { 400: { description: '#/components/responses/Bad' } } } } },
  };
  const bad = { description: 'Bad.', content: { 'application/json': { schema: rows } } };
  const made = withComponents(document, { Bad: bad });
  expect(made['paths']).toEqual({ '/': { get: { responses: { 400: { $ref: '#/components/responses/Bad' } } } } });
  expect(componentsOf(made)).toEqual({
    parameters: {},
    responses: { Bad: { ...bad, content: { 'application/json': { schema: { $ref: '#/components/schemas/Rows' } } } } },
    schemas: { Rows: { type: 'integer', minimum: 0 } },
  });
});

test('a parameter of several operations is a component, one of a single operation stays', () => {
  const [run, step] = ['run', 'step'].map((name) => ({ in: 'path', name, schema: { type: 'string' } }));
  const document = {
    components: {},
    paths: { '/a': { get: { parameters: [run] }, put: { parameters: [run, step] } } },
  };
  const made = withComponents(document, {});
  const reference = { $ref: '#/components/parameters/Run' };
  expect(made['paths']).toEqual({ '/a': { get: { parameters: [reference] }, put: { parameters: [reference, step] } } });
  expect(componentsOf(made)).toMatchObject({ parameters: { Run: run } });
  expect(withComponents(made, {})).toEqual(made);
});

test('a document whose parts are named already stays as it is', () => {
  const made = withComponents(documentOf({ anyOf: [rows, { ...rows, description: 'Masked.' }] }), {});
  expect(withComponents(made, {})).toEqual(made);
});
