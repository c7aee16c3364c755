/** Checks that everything in the OpenAPI document that a client can make large has a case. */
import { expect, test } from 'vitest';
import { readOperations } from '../openapi-document.ts';
import type { Operation, Schema } from '../openapi-document.ts';
import { SIZES } from './cases/case.ts';
import type { ComplexityCase, OperationRequest } from './cases/case.ts';
import { COMPARISON_CASES } from './cases/comparisons.ts';
import { EVALUATION_CASES } from './cases/evaluations.ts';
import { HISTORY_CASES } from './cases/history.ts';
import { JOB_CASES } from './cases/jobs.ts';
import { LIFE_CASES } from './cases/life.ts';
import { LOGPROB_CASES } from './cases/logprobs.ts';
import { OPTION_CASES } from './cases/options.ts';
import { PARTIAL_CASES } from './cases/partials.ts';
import { SCALAR_CASES } from './cases/scalars.ts';
import { SEQUENCE_CASES } from './cases/sequences.ts';
import { dimensionsOf, sizesOf } from './dimensions.ts';

const OPERATIONS = readOperations();
/** Cases of small requests first: when they cover an operation, the requests of the others are not made. */
const CASES = [
  ...SEQUENCE_CASES,
  ...OPTION_CASES,
  ...PARTIAL_CASES,
  ...HISTORY_CASES,
  ...SCALAR_CASES,
  ...LIFE_CASES,
  ...JOB_CASES,
  ...LOGPROB_CASES,
  ...EVALUATION_CASES,
  ...COMPARISON_CASES,
];

/** Operations whose cost does not depend on the request or on the recorded data. */
const CONSTANTS = [
  ...['GET /livez', 'GET /readyz', 'GET /metrics', 'GET /v1/info', 'GET /v2/models', 'GET /v2/models/stats'],
  ...['cross_entropy', 'kl_divergence'].flatMap((model) =>
    ['', '/versions/1'].flatMap((version) =>
      ['', '/config', '/ready', '/stats'].map((path) => `GET /v2/models/${model}${version}${path}`),
    ),
  ),
  ...['POST /v2/repository/index', 'GET /v2', 'GET /v2/health/live', 'GET /v2/health/ready'],
];

test.each(OPERATIONS.filter((operation) => dimensionsOf(operation).length > 0))(
  '$name has a case for everything that can be made large',
  { timeout: 120_000 },
  async (operation) => {
    expect(await placesWithoutCase(operation)).toEqual([]);
  },
);

test('a new field without a case is seen', async () => {
  const operation = OPERATIONS.find(({ name }) => name === 'PUT /v1/runs/{run}')!;
  const [[mediaType, schema]] = Object.entries(operation.bodies) as [[string, Schema]];
  const remarks: Schema = { type: 'array', items: { type: 'string' } };
  const bodies = { [mediaType]: { ...schema, properties: { ...schema.properties, remarks } } };
  expect(await placesWithoutCase({ ...operation, bodies })).toEqual([
    `${mediaType} /remarks: list`,
    `${mediaType} /remarks/[]: text`,
  ]);
});

test('every case is of an operation of the document', () => {
  const names = new Set(OPERATIONS.map(({ name }) => name));
  expect(CASES.map(({ operation }) => operation).filter((name) => !names.has(name))).toEqual([]);
});

test('an operation in which nothing can be made large has a case of what was recorded, or is a constant', () => {
  const covered = new Set(CASES.map(({ operation }) => operation));
  const others = OPERATIONS.map(({ name }) => name).filter((name) => !covered.has(name));
  expect(others).toEqual(CONSTANTS);
});

async function placesWithoutCase(operation: Operation): Promise<string[]> {
  const missing = new Set(dimensionsOf(operation));
  for (const examined of CASES.filter(({ operation: name }) => name === operation.name)) {
    if (missing.size > 0) for (const place of await grownBy(examined, operation)) missing.delete(place);
  }
  return [...missing];
}

/** Places that grow from the first to the second size of a case. */
async function grownBy({ request }: ComplexityCase, operation: Operation): Promise<string[]> {
  const small = sizes(operation, await request(SIZES[0]));
  const large = sizes(operation, await request(SIZES[1]));
  return [...large].filter(([place, size]) => size > (small.get(place) ?? 0)).map(([place]) => place);
}

function sizes(operation: Operation, { params, query, body }: OperationRequest): Map<string, number> {
  return sizesOf(operation, {
    ...(params && { params }),
    ...(query && { query }),
    mediaType: body?.headers['content-type'],
    described: body?.described,
  });
}
