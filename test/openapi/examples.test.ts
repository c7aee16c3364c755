import { expect, test } from 'vitest';
import { readDocument } from '../openapi-document.ts';
import { examplesOf } from '../replies/examples.ts';
import { Schemas } from '../replies/schemas.ts';

const document = readDocument();
const schemas = new Schemas();

/** Examples that do not match their schema, with the reason. */
function faultsOf(part: unknown): string[] {
  return [...examplesOf(part)].flatMap(({ pointer, value, schema }) =>
    schemas.mismatches(schema, value).map((mismatch) => `${pointer} ${mismatch}`),
  );
}

test('every example and every default of the document is valid by its own schema', () => {
  expect([...examplesOf(document)].length).toBeGreaterThan(1000);
  expect(faultsOf(document)).toEqual([]);
});

test('a wrong example is found in a schema, a media type and a parameter', () => {
  const schema = { type: 'integer', minimum: 1, examples: [1] };
  expect(faultsOf({ properties: { examples: { ...schema, examples: [1, 0] } } })).toEqual([
    expect.stringMatching(/^\/properties\/examples\/examples\/1 at \/ must be >= 1/),
  ]);
  expect(faultsOf({ content: { 'application/json': { schema, example: 'one' } } })).toHaveLength(1);
  expect(faultsOf({ parameters: [{ name: 'n', schema, examples: { none: { value: 0 } } }] })).toHaveLength(1);
  expect(faultsOf({ schema: { ...schema, default: 0 } })).toHaveLength(1);
});
