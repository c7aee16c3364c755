/** Rewrites the schemas of a route into forms that OpenAPI and its tools support. */

interface Schema {
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

type Change = (schema: Schema) => Schema;

/** A schema of a request, in which properties with a default are optional. */
export function requestSchema(schema: Schema): Schema {
  return rewrite(schema, (part) => withoutDefaultsRequired(withPropertyNames(part)));
}

/** A schema of a response. */
export function responseSchema(schema: Schema): Schema {
  return rewrite(schema, withPropertyNames);
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

/** Maps the values of an object, and keeps its names. */
export function mapValues<T, U>(values: Readonly<Record<string, T>>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));
}

/** TypeBox requires each property that is not optional, even one with a default. */
function withoutDefaultsRequired(schema: Schema): Schema {
  const { required, ...others } = schema;
  const needed = required?.filter((name) => schema.properties?.[name]?.default === undefined);
  if (needed?.length === required?.length) return schema;
  return needed?.length === 0 ? others : { ...schema, required: needed! };
}

/** @fastify/swagger drops the pattern of `patternProperties`. */
function withPropertyNames(schema: Schema): Schema {
  const { patternProperties, ...others } = schema;
  if (patternProperties === undefined) return schema;
  const [[pattern, additionalProperties], ...more] = Object.entries(patternProperties) as [[string, Schema]];
  if (more.length > 0) throw new Error('a schema has several patternProperties, which propertyNames cannot say');
  return { ...others, propertyNames: { pattern }, additionalProperties } as Schema;
}
