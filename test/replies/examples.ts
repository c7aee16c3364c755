/** Examples and defaults of an OpenAPI document, each with its schema. */

export interface Example {
  /** JSON pointer to the example. */
  readonly pointer: string;
  readonly value: unknown;
  readonly schema: object;
}

interface Part {
  readonly [name: string]: unknown;
}

const isPart = (value: unknown): value is Part => typeof value === 'object' && value !== null;

/** Finds examples and defaults at any depth by their keywords. */
export function* examplesOf(part: unknown, pointer = ''): Generator<Example> {
  if (!isPart(part)) return;
  // The members are names of properties or schemas, not keywords.
  const isNames = /\/(?:properties|patternProperties|schemas)$/.test(pointer);
  for (const [name, inner] of Object.entries(part)) {
    const at = `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (isNames || !['examples', 'example', 'default'].includes(name)) yield* examplesOf(inner, at);
    else yield* namedExamples(part, name, inner, at);
  }
}

function* namedExamples(part: Part, name: string, inner: unknown, pointer: string): Generator<Example> {
  // Media types and parameters have a `schema` member; otherwise the part itself is the schema.
  const schema = isPart(part['schema']) ? part['schema'] : part;
  if (name !== 'examples') yield { pointer, value: inner, schema };
  else if (Array.isArray(inner)) {
    for (const [k, value] of inner.entries()) yield { pointer: `${pointer}/${k}`, value, schema };
  } else if (isPart(inner)) {
    for (const [key, example] of Object.entries(inner)) {
      yield { pointer: `${pointer}/${key}`, value: (example as Part)['value'], schema };
    }
  }
}
