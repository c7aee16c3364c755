/** Random values for a schema. Most values are valid, and most numbers are small. */
import fc from 'fast-check';
import type { Schema } from '../openapi-document.ts';

const GARBAGE = [
  '',
  'x',
  '0',
  '-1',
  '1e3',
  '1.5',
  'NaN',
  'null',
  'a/b',
  '..',
  '%',
  'é',
  'x'.repeat(200),
  '9007199254740993',
];

export const garbage: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(...GARBAGE, null, true, -1, 1.5, [], {}),
  fc.anything({ maxDepth: 1 }),
);

/** Range of most integers: small, so that requests often use the same step, rank or micro-batch. */
const SMALL = 4;

export function valueOf(schema: Schema): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 20, arbitrary: validValue(schema) }, { weight: 1, arbitrary: garbage });
}

function validValue(schema: Schema): fc.Arbitrary<unknown> {
  const { anyOf, oneOf = anyOf, enum: members, const: only, type } = schema;
  if (oneOf !== undefined) return fc.oneof(...oneOf.map(valueOf));
  if (members !== undefined) return fc.constantFrom(...members);
  if (only !== undefined) return fc.constant(only);
  switch (type) {
    case 'object':
      return objectOf(schema);
    case 'array':
      return fc.array(schema.items === undefined ? garbage : valueOf(schema.items), { maxLength: 3 });
    case 'integer':
      return integerOf(schema);
    case 'number':
      return fc.oneof(fc.double({ min: 0, max: 2, noNaN: true }), fc.double());
    case 'boolean':
      return fc.boolean();
    case 'string':
      return textOf(schema);
    case undefined:
    default:
      return fc.oneof(fc.integer({ min: 0, max: 3 }), fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }));
  }
}

const TEXTS = ['', 'a', 'AAAA', 'AACAPwAAAEA=', 'a.safetensors', 'logits', '0', '17'];

function textOf({ pattern }: Schema): fc.Arbitrary<string> {
  if (pattern === undefined) return fc.constantFrom(...TEXTS);
  const expected = new RegExp(pattern);
  const texts = TEXTS.filter((text) => expected.test(text)).map((text) => fc.constant(text));
  return fc.oneof(fc.stringMatching(expected), ...texts);
}

function integerOf({ minimum = 0, maximum = 2 ** 53 - 1 }: Schema): fc.Arbitrary<number> {
  const least = Math.max(minimum, Math.min(0, maximum));
  return fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: least, max: Math.min(maximum, least + SMALL) }) },
    { weight: 1, arbitrary: fc.constantFrom(minimum, maximum, minimum - 1, maximum + 1) },
  );
}

function objectOf({ properties = {}, required = [], additionalProperties, patternProperties }: Schema) {
  const members = Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, valueOf(schema)]));
  const known = fc.record(members, { requiredKeys: required.filter((name) => name in members) });
  const ofMap = [...Object.values(patternProperties ?? {}), additionalProperties].find((s) => typeof s === 'object');
  const others = ofMap === undefined ? garbage : valueOf(ofMap);
  const more = fc.dictionary(fc.constantFrom('a', 'model', 'x', ''), others, { maxKeys: 2 });
  const addsMore = ofMap === undefined ? { weight: 1, arbitrary: more } : { weight: 10, arbitrary: more };
  return fc
    .tuple(known, fc.oneof({ weight: 10, arbitrary: fc.constant({}) }, addsMore))
    .map(([own, added]): object => ({ ...own, ...added }));
}
