/** Rewrites the schemas of a route into forms that OpenAPI and its tools support. */
import { mapValues } from '../map-values.ts';

export interface Schema {
  readonly title?: string;
  readonly type?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly format?: string;
  readonly default?: unknown;
  readonly required?: readonly string[];
  readonly properties?: SchemaMap;
  readonly patternProperties?: SchemaMap;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  /** Schema of each media type, for a body or a response. */
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

type SchemaMap = Readonly<Record<string, Schema>>;

const MAX_INT32 = 2 ** 31 - 1;

type Change = (schema: Schema) => Schema;

/** A schema of a request, in which properties with a default are optional. */
export function requestSchema(schema: Schema): Schema {
  return rewrite(schema, (part) => withoutDefaultsRequired(portable(part)));
}

/** A schema of a response. */
export function responseSchema(schema: Schema): Schema {
  return rewrite(schema, portable);
}

/** Changes a schema and every schema in it, the inner ones first. */
function rewrite(schema: Schema, change: Change): Schema {
  const inner = (part: Schema): Schema => rewrite(part, change);
  const { properties, patternProperties, items, anyOf, content } = schema;
  return change({
    ...schema,
    ...(properties && { properties: mapValues(properties, inner) }),
    ...(patternProperties && { patternProperties: mapValues(patternProperties, inner) }),
    ...(items && { items: inner(items) }),
    ...(anyOf && { anyOf: anyOf.map(inner) }),
    ...(content && { content: mapValues(content, (media) => ({ ...media, schema: inner(media.schema) })) }),
  });
}

const portable = (schema: Schema): Schema => withFormat(withOneOf(withPropertyNames(schema)));

/** Replaces anyOf by oneOf when an alternative is an object: otherwise generated TypeScript would merge their fields. */
function withOneOf(schema: Schema): Schema {
  const { anyOf, ...others } = schema;
  const hasObjects = anyOf?.some(({ properties }) => properties !== undefined) === true;
  return hasObjects ? ({ ...others, oneOf: anyOf } as Schema) : schema;
}

/**
 * Adds formats to numbers, because generated Go uses float32 and int32 without them. The bounds ±MAX_VALUE overflow in
 * code generators; the format `double` implies them.
 */
function withFormat(schema: Schema): Schema {
  const { minimum, maximum = 0, ...others } = schema;
  if (schema.type === 'number') {
    return minimum === -Number.MAX_VALUE ? { ...others, format: 'double' } : { ...schema, format: 'double' };
  }
  return schema.type === 'integer' && maximum > MAX_INT32 ? { ...schema, format: 'int64' } : schema;
}

/**
 * Makes properties with a default optional, which TypeBox requires. Simplifies the defaults of objects and unions, because
 * generated Go has no constants for them.
 */
function withoutDefaultsRequired(given: Schema): Schema {
  const { properties } = given;
  const schema = { ...given, ...(properties && { properties: mapValues(properties, withSimpleDefault) }) };
  const { required, ...others } = schema;
  const needed = required?.filter((name) => properties?.[name]?.default === undefined);
  if (needed?.length === required?.length) return schema;
  return needed?.length === 0 ? others : { ...schema, required: needed! };
}

/** Removes the default of an object, whose properties have defaults; moves the default of a union to its first alternative. */
function withSimpleDefault(schema: Schema): Schema {
  const { default: value, ...others } = schema;
  if (value === undefined) return schema;
  if (schema.properties !== undefined) return others;
  if (schema.anyOf === undefined) return schema;
  const [first, ...more] = schema.anyOf;
  return { ...others, anyOf: [{ ...first, default: value }, ...more] };
}

/** Replaces `patternProperties` by `propertyNames`, because @fastify/swagger drops the pattern. */
function withPropertyNames(schema: Schema): Schema {
  const { patternProperties, ...others } = schema;
  if (patternProperties === undefined) return schema;
  const [[pattern, additionalProperties], ...more] = Object.entries(patternProperties) as [[string, Schema]];
  if (more.length > 0) throw new Error('a schema has several patternProperties, which propertyNames cannot say');
  return { ...others, propertyNames: { pattern }, additionalProperties } as Schema;
}
