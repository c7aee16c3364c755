/** Errors of TypeBox as sentences, with a suggestion for an unknown name and the allowed values of an enumeration. */
import type { TSchema } from '#typebox';
import { Value } from '#typebox';
import { questionOf, suggestName } from './suggestion.ts';

export type SchemaError = ReturnType<typeof Value.Errors>[number];

/** Errors of a value. An unknown key has one error; its object has no error for the key. */
export function schemaErrors(schema: TSchema, value: unknown): SchemaError[] {
  const errors = Value.Errors(schema, value);
  return errors.filter(({ keyword }) => keyword !== 'additionalProperties' || errors.length === 1);
}

/** Explains an error in words that follow the name of its place: `must be string`. */
export function explainSchemaError(error: SchemaError, schema: TSchema, noun = 'field'): string {
  // The schema of unknown keys is false.
  if (error.keyword === 'boolean') {
    const name = error.instancePath.slice(error.instancePath.lastIndexOf('/') + 1);
    return `is not a known ${noun}${questionOf(suggestName(name, keysOf(schema, error.schemaPath)))}`;
  }
  if (error.keyword !== 'enum') return error.message;
  return `${error.message}: ${error.params.allowedValues.join(', ')}`;
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
  let object: unknown = schema;
  for (const key of path.split('/').slice(1, -1)) object = (object as Record<string, unknown> | undefined)?.[key];
  return Object.keys((object as { properties?: object } | undefined)?.properties ?? {});
}
