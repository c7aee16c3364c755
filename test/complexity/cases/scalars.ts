/** Many recordings in one request, scalars, and reads of them. */
import { pack } from 'msgpackr';
import type { Client } from '../../http-client.ts';
import type { Encoded } from '../../request-bodies.ts';
import { httpRequest } from './case.ts';
import type { ComplexityCase } from './case.ts';
import { once } from './recordings.ts';

type Item = Record<string, unknown>;

const BULK = 'POST /v1/runs/{run}/batches';

/** Writers of many items, by the name of the format. */
const FORMATS: Readonly<Record<string, (items: readonly Item[]) => Encoded>> = {
  json: (items) => encoded('application/json', JSON.stringify(items), items),
  msgpack: (items) => encoded('application/vnd.msgpack', pack(items), items),
  lines: (items) => encoded('application/x-ndjson', linesOf(items), items[0]),
  jsonl: (items) => encoded('application/jsonl', linesOf(items), items[0]),
};

const linesOf = (items: readonly Item[]): string => items.map((item) => `${JSON.stringify(item)}\n`).join('');

/** @param described value that the schema describes; the schema of line formats describes one line */
const encoded = (type: string, body: string | Uint8Array, described: unknown): Encoded => ({
  headers: { 'content-type': type },
  body: Buffer.from(body),
  described,
});

const named = (count: number, valueOf: (k: number) => unknown = (k) => k): Record<string, unknown> =>
  Object.fromEntries(Array.from({ length: count }, (_, k) => [`name-${k}`, valueOf(k)]));

/** Next unused step: no two requests record the same step. */
let steps = 0;

/** Growing bodies. */
const BODIES: { name: string; items: (size: number) => readonly Item[] }[] = [
  {
    name: 'pairs',
    items: (size) => Array.from({ length: size * 125 }, () => ({ step: steps++, numerator: 1.5, denominator: 1 })),
  },
  { name: 'ranks of a step', items: (size) => ofRanks(size * 125) },
  {
    name: 'items of scalars',
    items: (size) => Array.from({ length: size * 125 }, () => ({ step: steps++, scalars: named(8) })),
  },
  { name: 'scalars of an item', items: (size) => [{ step: steps++, scalars: named(size * 500) }] },
  { name: 'names that are not valid', items: (size) => [{ step: 1, scalars: { ['x'.repeat(size * 50_000)]: 1 } }] },
  { name: 'items that are not valid', items: (size) => Array.from({ length: size * 125 }, () => ({ step: -1 })) },
  { name: 'unknown members', items: (size) => [named(size * 4000)] },
  {
    name: 'numbers of step, rank, micro-batch and attempt',
    items: (size) => {
      const [rank, attempt] = [size * 1000, size * 1000];
      return [{ step: size * 1e9 + steps++, rank, micro_batch: rank, attempt, scalars: { x: 1 } }];
    },
  },
];

function ofRanks(count: number): Item[] {
  const step = steps++;
  return Array.from({ length: count }, (_, rank) => ({ step, rank, numerator: rank, denominator: 1 }));
}

const bulk = Object.entries(FORMATS).flatMap(([format, write]) =>
  BODIES.map(({ name, items }): ComplexityCase => ({
    name: `${name}, as ${format}`,
    operation: BULK,
    answers: [200, 400, 413],
    request: (size) => ({ params: { run: `bulk-${name}-${format}` }, body: write(items(size)) }),
  })),
);

/** Many attempts in a request, each before the one before it: each supersedes the attempts before it. */
const attempts: ComplexityCase = {
  name: 'attempts, each before the one before it',
  operation: BULK,
  answers: [200],
  request: (size) => ({
    params: { run: `attempts-${++steps}` },
    body: FORMATS['json']!(
      Array.from({ length: size * 20 }, (_, k) => ({ step: 1000 - k, attempt: k, scalars: { x: k } })),
    ),
  }),
};

const logits = ['json', 'msgpack'].map((format): ComplexityCase => ({
  name: `scalars beside a pair, as ${format}`,
  operation: 'PUT /v1/runs/{run}/steps/{step}/ranks/{rank}',
  answers: [201],
  request: (size) => {
    const fields = { numerator: 1, denominator: 1, scalars: named(size * 500) };
    const body =
      format === 'json'
        ? encoded('application/json', JSON.stringify(fields), fields)
        : encoded('application/vnd.msgpack', pack(fields), fields);
    return { params: { run: `beside-${format}`, step: steps++, rank: 0 }, body };
  },
}));

async function recordItems(client: Client, run: string, items: readonly Item[]): Promise<void> {
  for (let at = 0; at < items.length; at += 1000) {
    const body = FORMATS['msgpack']!(items.slice(at, at + 1000));
    const { status } = await client.send(httpRequest(BULK, { params: { run }, body }));
    if (status !== 200) throw new Error(`items were answered ${status}`);
  }
}

const LONG = 20_000;

const recordLong = (client: Client): Promise<void> =>
  once(client, 'long-scalar', () =>
    recordItems(
      client,
      'long-scalar',
      Array.from({ length: LONG }, (_, step) => ({ step, scalars: { x: step % 7 === 0 ? Number.NaN : step } })),
    ),
  );

const CURVE = 'GET /v1/runs/{run}/scalars/{name}';

const curves = [
  { name: 'as many points as there are', query: (size: number) => ({ max_points: size * 250, attempt: 0 }) },
  { name: 'few points', query: (size: number) => ({ max_points: 8, attempt: size * 1e6 }) },
  { name: 'few points of many', query: () => ({ max_points: 8 }) },
  { name: 'a page', query: (size: number) => ({ limit: size * 250, from: (size * LONG) / 100 }) },
].map(({ name, query }): ComplexityCase => ({
  name,
  operation: CURVE,
  answers: [200],
  prepare: recordLong,
  request: (size) => ({
    params: { run: 'long-scalar', name: 'x' },
    query: { to: (size * LONG) / 8 - 1, ...query(size) },
  }),
}));

/** Reads of runs with growing numbers of items. */
function reads(
  operation: string,
  what: string,
  itemsOf: (size: number) => readonly Item[],
  request: { query?: Record<string, string>; params?: Record<string, string> } = {},
): ComplexityCase {
  const runOf = (size: number): string => `${what}-${size}`;
  return {
    ...{ name: what, operation, answers: [200] },
    prepare: (client, size) => once(client, runOf(size), () => recordItems(client, runOf(size), itemsOf(size))),
    request: (size) => ({ ...request, params: { run: runOf(size), ...request.params } }),
  };
}

const manyRanks = (size: number): Item[] =>
  Array.from({ length: size * 1000 }, (_, rank) => ({ step: rank % 4, rank, scalars: { x: rank } }));

const manyNames = (size: number): Item[] => [{ step: 1, scalars: named(size * 500) }];

const manyAttempts = (size: number): Item[] =>
  Array.from({ length: size * 1000 }, (_, k) => ({ step: k, attempt: k, scalars: { x: k } }));

const rows = (size: number): Item[] =>
  Array.from({ length: size * 1000 }, (_, step) => ({ step, scalars: { x: 1, y: 2 } }));

let deletions = 0;

const remove: ComplexityCase = {
  name: 'scalars',
  operation: 'DELETE /v1/runs/{run}',
  answers: [204],
  prepare: (client, size) => recordItems(client, `removed-scalars-${++deletions}`, rows(size)),
  request: () => ({ params: { run: `removed-scalars-${deletions}` } }),
};

export const SCALAR_CASES: readonly ComplexityCase[] = [
  ...bulk,
  attempts,
  ...logits,
  ...curves,
  reads(CURVE, 'ranks of a scalar', manyRanks, { params: { name: 'x' } }),
  reads(CURVE, 'attempts of a scalar', manyAttempts, { params: { name: 'x' }, query: { max_points: '100' } }),
  reads('GET /v1/runs/{run}/scalars', 'names of scalars', manyNames),
  reads('GET /v1/runs/{run}/scalars', 'attempts of a run with a scalar', manyAttempts),
  reads('GET /v1/runs/{run}/attempts', 'attempts', manyAttempts),
  reads('GET /v1/runs/{run}/export', 'scalars to export', rows, { query: { of: 'scalars', format: 'csv' } }),
  reads('GET /v1/runs/{run}/export', 'attempts to export', manyAttempts, { query: { of: 'scalars', format: 'jsonl' } }),
  remove,
];
