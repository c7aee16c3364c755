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

export function readOperations(): Operation[] {
  const file = new URL('../openapi/openapi.json', import.meta.url);
  const { paths } = JSON.parse(readFileSync(file, 'utf8')) as {
    paths: Record<string, Record<string, OperationObject>>;
  };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody, responses }]) => ({
      name: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      path,
      parameters,
      bodies: Object.fromEntries(
        Object.entries(requestBody?.content ?? {}).map(([mediaType, { schema }]) => [mediaType, schema]),
      ),
      answers: Object.fromEntries(
        Object.entries(responses).map(([status, { content }]) => [status, Object.keys(content ?? {})]),
      ),
    })),
  );
}
