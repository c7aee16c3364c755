/** The operations of the OpenAPI document, for tests that go through all of them. */
import { readFileSync } from 'node:fs';

/** A JSON schema, as far as the document uses it. */
export interface Schema {
  type?: string;
  anyOf?: Schema[];
  oneOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  patternProperties?: Record<string, Schema>;
  items?: Schema;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  format?: string;
  description?: string;
  pattern?: string;
}

export interface Parameter {
  in: 'path' | 'query';
  name: string;
  required?: boolean;
  schema: Schema;
}

export interface Operation {
  /** Method and path, such as `GET /v1/runs/{run}`. */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly Parameter[];
  /** Schemas of the request body by media type. */
  readonly bodies: Readonly<Record<string, Schema>>;
  /** Media types of the answer by status. */
  readonly answers: Readonly<Record<string, readonly string[]>>;
}

interface OperationObject {
  parameters?: Parameter[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: object }>;
}

type Part = Readonly<Record<string, unknown>>;

/** A document with what every reference refers to in its place. Annotations beside a reference take precedence. */
export function dereferenced(document: object): unknown {
  const known = new Map<string, unknown>();
  const targetOf = (reference: string): unknown => {
    const target = reference
      .slice('#/'.length)
      .split('/')
      .reduce<unknown>((part, name) => (part as Part)[name], document);
    if (target === undefined) throw new Error(`the document has no ${reference}`);
    const whole = known.get(reference) ?? replace(target);
    known.set(reference, whole);
    return whole;
  };
  const replace = (part: unknown): unknown => {
    if (typeof part !== 'object' || part === null) return part;
    if (Array.isArray(part)) return part.map(replace);
    const { $ref: reference, ...others } = part as Part;
    const own = Object.fromEntries(Object.entries(others).map(([name, inner]) => [name, replace(inner)]));
    if (typeof reference !== 'string') return own;
    const target = targetOf(reference);
    return Object.keys(own).length === 0 ? target : { ...(target as Part), ...own };
  };
  return replace(document);
}

/** The committed document without references. */
export function readDocument(): unknown {
  const file = new URL('../openapi/openapi.json', import.meta.url);
  return dereferenced(JSON.parse(readFileSync(file, 'utf8')) as object);
}

export function readOperations(): Operation[] {
  const { paths } = readDocument() as { paths: Record<string, Record<string, OperationObject>> };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody, responses }]) => ({
      name: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      path,
      parameters,
      bodies: requestBody === undefined ? {} : bodiesOf(requestBody.content),
      answers: Object.fromEntries(
        Object.entries(responses).map(([status, { content }]) => [status, Object.keys(content ?? {})]),
      ),
    })),
  );
}

/** Describes bodies of bytes by the fields of the JSON body. safetensors files stay bytes. */
function bodiesOf(content: Readonly<Record<string, { schema: Schema }>>): Record<string, Schema> {
  const { schema: json } = content['application/json']!;
  return Object.fromEntries(
    Object.entries(content).map(([mediaType, { schema }]) => [
      mediaType,
      schema.format === 'binary' && !schema.description!.includes('safetensors') ? json : schema,
    ]),
  );
}
