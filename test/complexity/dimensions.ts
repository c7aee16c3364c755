/** Places in the operations of the OpenAPI document that a client can make large. */
import type { Operation, Schema } from '../openapi-document.ts';

/** Alternative media types of MessagePack, which the same codec reads. */
const ALIASES: Readonly<Record<string, string>> = {
  'application/msgpack': 'application/vnd.msgpack',
  'application/x-msgpack': 'application/vnd.msgpack',
};

const formatOf = (mediaType: string): string => ALIASES[mediaType] ?? mediaType;

/** Places of an operation that a client can make large, such as `application/json /options/outputs: list`. */
export function dimensionsOf({ parameters, bodies }: Operation): string[] {
  const ofParameters = parameters.flatMap(({ in: place, name, schema }) => [...growing(schema, `${place} ${name}`)]);
  const ofBodies = Object.entries(bodies).flatMap(([mediaType, schema]) => [
    ...growing(schema, `${formatOf(mediaType)} `),
  ]);
  return [...new Set([...ofParameters, ...ofBodies])];
}

/** Sizes of a request at the places of its schemas, by the names of `dimensionsOf`. */
export function sizesOf(operation: Operation, request: Measurable): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { in: place, name, schema } of operation.parameters) {
    const given = { path: request.params, query: request.query }[place]?.[name];
    if (given !== undefined) measure(schema, given, `${place} ${name}`, sizes);
  }
  for (const [mediaType, schema] of Object.entries(operation.bodies)) {
    const format = formatOf(mediaType);
    if (request.mediaType !== undefined && format === formatOf(request.mediaType)) {
      measure(schema, request.described, `${format} `, sizes);
    }
  }
  return sizes;
}

/** A request in the form that its schemas describe. */
export interface Measurable {
  readonly params?: Readonly<Record<string, string | number>>;
  readonly query?: Readonly<Record<string, string | number | readonly string[]>>;
  readonly mediaType?: string | undefined;
  /** The body as a value of its schema. */
  readonly described?: unknown;
}

/** Alternatives of a schema: the members of its unions, flattened. */
function alternatives(schema: Schema): Schema[] {
  return (schema.anyOf ?? schema.oneOf)?.flatMap(alternatives) ?? [schema];
}

function* growing(schema: Schema, place: string): Generator<string> {
  for (const option of alternatives(schema)) {
    if (option.enum !== undefined || option.const !== undefined) continue;
    switch (option.type) {
      case 'object':
        // Unknown names are refused, and reading them takes work too.
        yield `${place}: names`;
        for (const [name, inner] of propertiesOf(option)) yield* growing(inner, `${place}/${name}`);
        break;
      case 'array':
        yield `${place}: list`;
        if (option.items !== undefined) yield* growing(option.items, `${place}/[]`);
        break;
      case 'string':
        if (!isShort(option)) yield `${place}: text`;
        break;
      case 'integer':
        if (option.minimum === undefined || option.minimum !== option.maximum) yield `${place}: integer`;
        break;
      case 'number':
      case 'boolean':
      case 'null':
        break;
      case undefined:
      default:
        yield `${place}: anything`;
    }
  }
}

function measure(schema: Schema, value: unknown, place: string, sizes: Map<string, number>): void {
  const atLeast = (kind: string, size: number): void => {
    const key = `${place}: ${kind}`;
    sizes.set(key, Math.max(size, sizes.get(key) ?? 0));
  };
  for (const option of alternatives(schema)) {
    if (option.type === undefined) {
      if (Array.isArray(value)) atLeast('anything', value.length);
      else atLeast('anything', Number(value));
    } else if (option.type === 'integer' && Number.isInteger(Number(value))) {
      atLeast('integer', Number(value));
    } else if (option.type === 'string' && (typeof value === 'string' || value instanceof Uint8Array)) {
      atLeast('text', value.length);
    } else if (option.type === 'array' && Array.isArray(value)) {
      atLeast('list', value.length);
      // The first and the last item represent all items.
      for (const inner of [value[0], value.at(-1)] as unknown[]) {
        if (inner !== undefined && option.items) measure(option.items, inner, `${place}/[]`, sizes);
      }
    } else if (option.type === 'object' && isObject(value)) {
      atLeast('names', Object.keys(value).length);
      const known = new Map(propertiesOf(option));
      for (const [name, inner] of Object.entries(value)) {
        const key = known.has(name) ? name : '*';
        const innerSchema = known.get(key);
        if (innerSchema !== undefined) measure(innerSchema, inner, `${place}/${key}`, sizes);
      }
    }
  }
}

/** Properties of an object schema by name. The values of a map have the name `*`. */
function propertiesOf({ properties, patternProperties, additionalProperties }: Schema): [string, Schema][] {
  const ofMap = Object.values(patternProperties ?? {}).map((schema): [string, Schema] => ['*', schema]);
  const others: [string, Schema][] = typeof additionalProperties === 'object' ? [['*', additionalProperties]] : [];
  return [...Object.entries(properties ?? {}), ...ofMap, ...others];
}

/** Greatest length of a text that cannot cause much work. */
const SHORT_TEXT = 1024;

const CHARACTER_CLASS = /\[[^\]]+\]/g;
const ENDLESS_QUANTIFIER = /[*+]|\{\d+,\}/;

function isShort({ maxLength, pattern }: Schema): boolean {
  if (maxLength !== undefined) return maxLength <= SHORT_TEXT;
  if (pattern === undefined || !/^\^.*\$$/.test(pattern)) return false;
  return !ENDLESS_QUANTIFIER.test(pattern.replaceAll(CHARACTER_CLASS, '.'));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
