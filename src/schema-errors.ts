/** Errors of TypeBox as sentences, with a suggestion for an unknown name and the allowed values of an enumeration. */
import type { TSchema } from '#typebox';
import { Value } from '#typebox';
import { WITHOUT_CONTROLS, WITHOUT_NUL } from './text-patterns.ts';
import { questionOf, suggestName } from './suggestion.ts';

export type SchemaError = ReturnType<typeof Value.Errors>[number];

/** Errors of a value. An unknown key has one error; its object has no error for the key. */
export function schemaErrors(schema: TSchema, value: unknown): SchemaError[] {
  const errors = Value.Errors(schema, value);
  return errors.filter(({ keyword }) => keyword !== 'additionalProperties' || errors.length === 1);
}

/** Explains an error in words that follow the name of its place: `must be a string`. */
export function explainSchemaError(error: SchemaError, schema: TSchema, noun = 'field'): string {
  // The schema of unknown keys is false.
  if (error.keyword === 'boolean') {
    const name = error.instancePath.slice(error.instancePath.lastIndexOf('/') + 1);
    return `is not a known ${noun}${questionOf(suggestName(name, keysOf(schema, error.schemaPath)))}`;
  }
  return requirementOf(error, exampleOf(schema, error.schemaPath));
}

const TYPES: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  integer: 'an integer',
  null: 'null',
  number: 'a number',
  object: 'an object',
  string: 'a string',
};

const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;
const characters = (count: number): string => counted(count, 'character', 'characters');
const entries = (count: number): string => counted(count, 'entry', 'entries');

type ParametersOf<Keyword> = Extract<SchemaError, { keyword: Keyword }>['params'];

/** The requirement of the schema that a value does not meet. Other keywords have messages of TypeBox. */
const REQUIREMENTS: { [Keyword in SchemaError['keyword']]?: (parameters: ParametersOf<Keyword>) => string } = {
  type: ({ type }) =>
    `must be ${[type]
      .flat()
      .map((name) => TYPES[name] ?? name)
      .join(' or ')}`,
  enum: ({ allowedValues }) => `must be one of ${allowedValues.join(', ')}`,
  const: ({ allowedValue }) => `must be ${JSON.stringify(allowedValue)}`,
  required: ({ requiredProperties }) => `must have ${requiredProperties.join(', ')}`,
  minimum: ({ limit }) => `must be at least ${limit}`,
  maximum: ({ limit }) => `must be at most ${limit}`,
  exclusiveMinimum: ({ limit }) => `must be greater than ${limit}`,
  exclusiveMaximum: ({ limit }) => `must be less than ${limit}`,
  minLength: ({ limit }) => `must have at least ${characters(limit)}`,
  maxLength: ({ limit }) => `must have at most ${characters(limit)}`,
  minItems: ({ limit }) => `must have at least ${entries(limit)}`,
  maxItems: ({ limit }) => `must have at most ${entries(limit)}`,
  minProperties: ({ limit }) => `must have at least ${entries(limit)}`,
  maxProperties: ({ limit }) => `must have at most ${entries(limit)}`,
  uniqueItems: () => 'must not have the same entry twice',
};

/** Characters that a pattern forbids, which allows any others. */
const FORBIDDEN: Readonly<Record<string, string>> = {
  [WITHOUT_NUL]: 'a NUL character',
  [WITHOUT_CONTROLS]: 'control characters',
};

/** @param example value of the violated schema; a form is explained by it, because few readers know regular expressions */
function requirementOf({ keyword, params, message }: SchemaError, example: unknown): string {
  if (keyword === 'format' && example !== undefined)
    return `must be a valid ${params.format}, such as ${JSON.stringify(example)}`;
  if (keyword === 'pattern') {
    const forbidden = FORBIDDEN[String(params.pattern)];
    if (forbidden !== undefined) return `must not contain ${forbidden}`;
    if (example !== undefined) return `must have the form of ${JSON.stringify(example)}`;
  }
  const requirement = REQUIREMENTS[keyword] as ((parameters: object) => string) | undefined;
  return requirement?.(params) ?? message;
}

/** Maximum length of a pointer; longer pointers are cut. */
const MOST_POINTER_CHARACTERS = 200;

/** Place of an error in a body, with its explanation. */
export function placeOf(error: SchemaError, schema: TSchema): { pointer: string; detail: string } {
  const pointer = error.instancePath.slice(0, MOST_POINTER_CHARACTERS);
  return { pointer, detail: `${pointer === '' ? 'the body' : pointer} ${explainSchemaError(error, schema)}` };
}

/**
 * The value with only the first entries of each list and object. A list or object with more entries than its schema allows
 * is invalid whatever the other entries are, and TypeBox takes microseconds for each entry.
 */
export function shortened(value: unknown, mostEntries: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.slice(0, mostEntries).map((entry) => shortened(entry, mostEntries));
  const entries: [string, unknown][] = [];
  for (const key in value) {
    if (entries.length === mostEntries) break;
    entries.push([key, shortened((value as Record<string, unknown>)[key], mostEntries)]);
  }
  return Object.fromEntries(entries);
}

/**
 * Known keys of an object of the schema.
 * @param path of its `additionalProperties`, such as `#/properties/tensors/additionalProperties`
 */
function keysOf(schema: TSchema, path: string): string[] {
  return Object.keys(schemaAt(schema, path.slice(0, path.lastIndexOf('/')))?.properties ?? {});
}

/** First example of the schema at a path; undefined for none. */
function exampleOf(schema: TSchema, path: string): unknown {
  return schemaAt(schema, path)?.examples?.[0];
}

/** Schema at a path such as `#/properties/tensors`. */
function schemaAt(schema: TSchema, path: string): { properties?: object; examples?: unknown[] } | undefined {
  let found: unknown = schema;
  for (const key of path.split('/').slice(1)) found = (found as Record<string, unknown> | undefined)?.[key];
  return found as ReturnType<typeof schemaAt>;
}
