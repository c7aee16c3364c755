/** Sequences of random requests to the operations of the OpenAPI document, which share a few runs. */
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import type { HttpRequest } from '../http-client.ts';
import type { Seed } from './corpus.ts';
import { readOperations } from '../openapi-document.ts';
import type { Operation, Parameter } from '../openapi-document.ts';
import { garbage, valueOf } from './schema-values.ts';

/** A request with its operation. */
export interface OperationRequest {
  readonly operation: Operation;
  readonly request: HttpRequest;
}

const RUNS = ['a', 'b', 'long.name-1~x:y', 'x'.repeat(100), 'x'.repeat(128)];
const LONGEST = 12;

const packr = new Packr({ useRecords: false, variableMapSize: true });

interface Vocabulary {
  /** Values of `Authorization`. */
  readonly authorizations: readonly string[];
  /** Requests whose bodies are valid. */
  readonly corpus: readonly Seed[];
}

/** Weight of operations with parameters or a body. Other operations have the weight 1. */
const WEIGHT = 8;

export function sequencesOf({ authorizations, corpus }: Vocabulary): fc.Arbitrary<OperationRequest[]> {
  const authorization = fc.constantFrom(...authorizations.map((value) => ({ authorization: value })), {});
  const requests = readOperations().map((operation) => ({
    weight: operation.parameters.length > 0 || Object.keys(operation.bodies).length > 0 ? WEIGHT : 1,
    arbitrary: requestOf(operation, { authorization, corpus }),
  }));
  return fc.array(fc.oneof(...requests), { minLength: 1, maxLength: LONGEST });
}

function requestOf(
  operation: Operation,
  { authorization, corpus }: { authorization: fc.Arbitrary<Record<string, string>>; corpus: readonly Seed[] },
): fc.Arbitrary<OperationRequest> {
  return fc
    .record({
      path: pathOf(operation),
      query: queryOf(operation),
      body: bodyOf(operation, corpus),
      authorization,
      accept,
    })
    .map(({ path, query, body, authorization, accept }) => ({
      operation,
      // Short text for counterexamples: the operation contains its schemas, which are too long.
      [fc.toStringMethod]: () => `${operation.method} ${path}${query}`,
      request: {
        method: operation.method,
        path: path + query,
        headers: { ...body?.headers, ...authorization, ...(accept !== undefined && { accept }) },
        body: body?.bytes,
      },
    }));
}

const accept = fc.oneof(
  { weight: 6, arbitrary: fc.constant(undefined) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '*/*',
      'application/json',
      'application/vnd.msgpack',
      'application/vnd.safetensors',
      'text/html',
    ),
  },
);

function pathOf({ path, parameters }: Operation): fc.Arbitrary<string> {
  const inPath = parameters.filter((parameter) => parameter.in === 'path');
  return fc
    .record(Object.fromEntries(inPath.map((parameter) => [parameter.name, pathValue(parameter)])))
    .map((values) => path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(segmentOf(values[name]))));
}

/** Text of a path segment. It is not empty: an empty segment would make another path. */
function segmentOf(value: unknown): string {
  return textOf(value) || ' ';
}

function pathValue({ name, schema }: Parameter): fc.Arbitrary<unknown> {
  if (name !== 'run') return valueOf(schema);
  return fc.oneof({ weight: 10, arbitrary: fc.constantFrom(...RUNS) }, { weight: 1, arbitrary: garbage });
}

function queryOf({ parameters }: Operation): fc.Arbitrary<string> {
  const inQuery = parameters.filter((parameter) => parameter.in === 'query');
  const values = Object.fromEntries(inQuery.map(({ name, schema }) => [name, valueOf(schema)]));
  return fc.record(values, { requiredKeys: [] }).map((given) => {
    const entries = Object.entries(given).map(([name, value]) => `${name}=${encodeURIComponent(textOf(value))}`);
    return entries.length === 0 ? '' : `?${entries.join('&')}`;
  });
}

interface Body {
  headers: Readonly<Record<string, string>>;
  bytes: Uint8Array;
}

/** Half of the bodies are made from the schema, half are valid. */
function bodyOf({ method, path, bodies }: Operation, corpus: readonly Seed[]): fc.Arbitrary<Body | undefined> {
  const mediaTypes = Object.entries(bodies);
  if (mediaTypes.length === 0) return fc.constant(undefined);
  const made = mediaTypes.map(([mediaType, schema]) =>
    valueOf(schema).map((value) => ({ headers: { 'content-type': mediaType }, bytes: write(mediaType, value) })),
  );
  const pattern = new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}(?:[?]|$)`);
  const seeds = corpus.filter((seed) => seed.method === method && pattern.test(seed.path));
  const valid = seeds.flatMap(({ writers, fields }) =>
    writers.map((writer) => {
      const { headers, body } = writer(fields);
      return { headers, bytes: body };
    }),
  );
  return valid.length === 0 ? fc.oneof(...made) : fc.oneof(fc.oneof(...made), fc.constantFrom(...valid));
}

function write(mediaType: string, value: unknown): Uint8Array {
  try {
    return mediaType.includes('msgpack') ? packr.pack(value) : Buffer.from(JSON.stringify(value) ?? '');
  } catch {
    // JSON cannot represent the value.
    return Buffer.from('{');
  }
}

/** Text of a value for a path or a query. Lone surrogates are replaced, because they have no encoding. */
function textOf(value: unknown): string {
  return (
    typeof value === 'string'
      ? value
      : (JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? 1 : inner)) ?? 'undefined')
  ).toWellFormed();
}
