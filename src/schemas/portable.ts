/** The schemas of a route in the words that OpenAPI and its tools have for them. */

interface Schema {
  readonly default?: unknown;
  readonly required?: readonly string[];
  readonly properties?: SchemaMap;
  readonly patternProperties?: SchemaMap;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  /** Of a body or a response: the schema of each media type. */
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

type SchemaMap = Readonly<Record<string, Schema>>;

type Change = (schema: Schema) => Schema;

/** A schema of a request. What has a default is not required there. */
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

/** An object of the same names. */
export function mapValues<T, U>(values: Readonly<Record<string, T>>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));
}

/** TypeBox requires each property that is not optional, also where a default takes its place. */
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
