import { readFile } from 'node:fs/promises';
import manifest from '#manifest' with { type: 'json' };
import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, test } from 'vitest';
import { generate } from '../../openapi/generate.ts';
import { dereferenced, readOperations } from '../openapi-document.ts';
import { Schemas } from '../replies/schemas.ts';
import { Service } from '../service.ts';

const service = Service.start();
const validator = new Schemas();

const read = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');

interface Schema {
  type?: string;
  description?: string;
  default?: unknown;
  required?: string[];
  examples?: unknown[];
  properties?: Record<string, Schema>;
  enum?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  format?: string;
  items?: Schema;
  minimum?: number;
  maximum?: number;
}

interface Operation {
  operationId?: string;
  summary?: string;
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: Schema }> }>;
}

interface Document {
  openapi: string;
  info: { version: string };
  components: { schemas: Record<string, Schema> };
  paths: Record<string, Record<string, Operation>>;
}

/** Largest size of the committed document. */
const MOST_BYTES = 520_000;

const document = async (): Promise<Document> => (await (await service.get('/openapi.json')).json()) as Document;

/** URL of the service in the committed document. */
const SERVER = 'http://127.0.0.1:8080';

test('the files made from the schemas are the committed ones: run `npm run generate` when this fails', async () => {
  for (const [path, text] of await generate()) expect(await read(path), path).toBe(text);
});

test('/openapi.json is the committed document, with operations below the path that it is below', async () => {
  const committed = JSON.parse(await read('openapi/openapi.json')) as { servers: object };
  expect(committed.servers).toEqual([{ url: SERVER }]);
  expect(await document()).toEqual({ ...committed, servers: [{ url: '.' }] });
});

test('the page has the document made once, as JSON and as the YAML that JSON is', async () => {
  const texts = [];
  for (const path of ['/docs/json', '/docs/json/', '/docs/yaml', '/docs/yaml/']) {
    const response = await service.get(path);
    texts.push(await response.text());
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      path.startsWith('/docs/json') ? 'application/json; charset=utf-8' : 'application/x-yaml',
    ]);
  }
  expect(new Set(texts).size).toBe(1);
  const { servers, paths } = JSON.parse(texts[0]!) as Document & { servers: unknown };
  expect(servers).toEqual([{ url: '..' }]);
  expect(Object.keys(paths)).toEqual(Object.keys((await document()).paths));
});

test('the document is valid OpenAPI 3.1', async () => {
  const given = await document();
  const { valid, errors } = await new Validator().validate(given as unknown as Record<string, unknown>);
  expect(errors).toBeUndefined();
  expect(valid).toBe(true);
  expect(given.openapi).toMatch(/^3\.1\./);
});

test('the document is small, and has its schemas and refusals by name', async () => {
  const text = await read('openapi/openapi.json');
  expect(text.length).toBeLessThan(MOST_BYTES);
  const { paths, info, components } = JSON.parse(text) as Document;
  expect(info.version).toBe(manifest.version);
  const names = Object.keys(components.schemas);
  expect(names).toEqual(
    expect.arrayContaining(['CrossEntropyRequest', 'Evaluation', 'LossOptions', 'Problem', 'Tensor']),
  );
  expect(names.filter((name) => !/^[A-Z][A-Za-z0-9]+$/.test(name))).toEqual([]);
  const inline = Object.values(paths)
    .flatMap((operations) => Object.values(operations))
    .flatMap(({ responses }) => Object.entries(responses))
    .filter(([status, response]) => Number(status) >= 400 && !('$ref' in response));
  // These responses report that the service is not ready, in the same form as the response of a ready service.
  expect(inline.map(([status]) => status)).toEqual(['503', '503']);
});

test('/docs shows it', async () => {
  const response = await service.get('/docs/');
  expect(response.status).toBe(200);
  expect(await response.text()).toContain('swagger-ui');
});

/** Every schema below one, with its path. */
function* walk(path: string, schema: Schema): Generator<[string, Schema]> {
  yield [path, schema];
  for (const [name, property] of Object.entries(schema.properties ?? {})) yield* walk(`${path}.${name}`, property);
  for (const [k, variant] of (schema.anyOf ?? schema.oneOf ?? []).entries()) yield* walk(`${path}<${k}>`, variant);
  if (schema.items !== undefined) yield* walk(`${path}[]`, schema.items);
}

async function schemas(): Promise<[string, Schema][]> {
  const { paths } = dereferenced(await document()) as Document;
  return Object.entries(paths).flatMap(([url, operations]) =>
    Object.entries(operations).flatMap(([method, { requestBody, responses }]) => {
      const contents = [requestBody?.content, ...Object.values(responses).map((response) => response.content)];
      return contents.flatMap((content) =>
        Object.values(content ?? {}).flatMap(({ schema }) => [...walk(`${method} ${url}`, schema)]),
      );
    }),
  );
}

describe('a request', () => {
  const operations = readOperations();

  test('needs nothing that has a default', () => {
    const bodies = operations.flatMap(({ name, bodies }) =>
      Object.values(bodies).flatMap((body) => [...walk(name, body)]),
    );
    const required = bodies.flatMap(([path, { required = [], properties = {} }]) =>
      required.filter((name) => properties[name]?.default !== undefined).map((name) => `${path}.${name}`),
    );
    expect(required).toEqual([]);
    const parameters = operations.flatMap(({ name, parameters }) =>
      parameters
        .filter(({ required, schema }) => required === true && 'default' in schema)
        .map((parameter) => `${name} ${parameter.name}`),
    );
    expect(parameters).toEqual([]);
    // The document contains defaults.
    expect(bodies.filter(([, { default: value }]) => value !== undefined).length).toBeGreaterThan(15);
  });

  test('has labels by names of a pattern', () => {
    const { bodies } = operations.find(({ name }) => name === 'PUT /v1/runs/{run}')!;
    const { labels } = bodies['application/json']!.properties!;
    expect(validator.mismatches(labels!, { model: 'gpt-1b' })).toEqual([]);
    expect(validator.mismatches(labels!, { 'a b': 1 })).toHaveLength(2);
    expect(validator.mismatches(labels!, { a: [] })).not.toEqual([]);
  });

  test('may fail, and come while the service shuts down: every operation says so', () => {
    const silent = operations.filter(({ answers }) => answers['500'] === undefined || answers['503'] === undefined);
    expect(silent.map(({ name, answers }) => [name, '503' in answers])).toEqual([
      // These operations are answered until the end of a shutdown.
      ['GET /livez', false],
      ['GET /metrics', false],
      ['GET /v2/health/live', false],
    ]);
  });
});

describe('the document is the manual', () => {
  test('every operation has an id, a summary and described responses', async () => {
    for (const [url, operations] of Object.entries((dereferenced(await document()) as Document).paths)) {
      for (const operation of Object.values(operations)) {
        expect(operation, url).toMatchObject({
          operationId: expect.any(String) as string,
          summary: expect.any(String) as string,
        });
        for (const response of Object.values(operation.responses))
          expect(response.description, url).not.toMatch(/^(Default Response)?$/);
      }
    }
  });

  test('every property is described and exemplified', async () => {
    const properties = (await schemas()).flatMap(([path, schema]) =>
      Object.entries(schema.properties ?? {}).map(([name, property]) => [`${path}.${name}`, property] as const),
    );
    expect(properties.length).toBeGreaterThan(50);
    const lacking = properties.filter(
      ([, property]) => property.description === undefined || !(property.examples ?? property.properties),
    );
    expect(lacking.map(([path]) => path)).toEqual([]);
  });

  test('every number has bounds', async () => {
    const numbers = (await schemas()).filter(([, schema]) => schema.type === 'number' || schema.type === 'integer');
    const unbounded = numbers.filter(([, schema]) => schema.minimum === undefined || schema.maximum === undefined);
    // `double` without bounds allows every float64.
    const isAnyFloat64 = ({ format, minimum, maximum }: Schema): boolean =>
      format === 'double' && minimum === undefined && maximum === undefined;
    expect(unbounded.filter(([, schema]) => !isAnyFloat64(schema)).map(([path]) => path)).toEqual([]);
  });
});
