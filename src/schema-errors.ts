/** Errors of TypeBox as sentences: unknown names with the name that was probably meant, and values with those that may be. */
import type { TSchema } from '#typebox';
import { Value } from '#typebox';
import { questionOf, suggestName } from './suggestion.ts';

export type SchemaError = ReturnType<typeof Value.Errors>[number];

/** Errors of a value. An unknown key has one error, and its object none. */
export function schemaErrors(schema: TSchema, value: unknown): SchemaError[] {
  const errors = Value.Errors(schema, value);
  return errors.filter(({ keyword }) => keyword !== 'additionalProperties' || errors.length === 1);
}

/** Says what is wrong about a place, after its name: `must be string`. */
export function explainSchemaError(error: SchemaError, schema: TSchema, noun = 'field'): string {
  // The schema of unknown keys is false.
  if (error.keyword === 'boolean') {
    const name = error.instancePath.slice(error.instancePath.lastIndexOf('/') + 1);
    return `is not a known ${noun}${questionOf(suggestName(name, keysOf(schema, error.schemaPath)))}`;
  }
  if (error.keyword !== 'enum') return error.message;
  return `${error.message}: ${error.params.allowedValues.join(', ')}`;
}

/** Longer pointers are cut. */
const MOST_POINTER_CHARACTERS = 200;

/** A place of a body that is wrong, and why. */
export function placeOf(error: SchemaError, schema: TSchema): { pointer: string; detail: string } {
  const pointer = error.instancePath.slice(0, MOST_POINTER_CHARACTERS);
  return { pointer, detail: `${pointer === '' ? 'the body' : pointer} ${explainSchemaError(error, schema)}` };
}

/**
 * The value with the first entries of each list and object. One that has more than a schema allows is invalid without a
 * look at the others, and TypeBox takes microseconds for each.
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

/** Keys of the object that has no others. @param path of its `additionalProperties`, such as `#/properties/tensors/additionalProperties` */
function keysOf(schema: TSchema, path: string): string[] {
  let object: unknown = schema;
  for (const key of path.split('/').slice(1, -1)) object = (object as Record<string, unknown> | undefined)?.[key];
  return Object.keys((object as { properties?: object } | undefined)?.properties ?? {});
}
