/** Descriptions, names and filters of runs; attempts and comparisons of runs. */
import type { Client } from '../../http-client.ts';
import { WRITERS } from '../../request-bodies.ts';
import { httpRequest } from './case.ts';
import type { ComplexityCase } from './case.ts';
import { once } from './recordings.ts';

type Item = Record<string, number>;

async function recordItems(client: Client, run: string, items: readonly Item[]): Promise<void> {
  for (let at = 0; at < items.length; at += 1000) {
    const body = WRITERS.json(items.slice(at, at + 1000) as unknown as Record<string, unknown>);
    const { status } = await client.send(httpRequest('POST /v1/runs/{run}/batches', { params: { run }, body }));
    if (status !== 200) throw new Error(`items were answered ${status}`);
  }
}

const stepsOf = (count: number, attempt: number): Item[] =>
  Array.from({ length: count }, (_, step) => ({ step, attempt, numerator: step, denominator: 1 }));

const ranksOf = (count: number, step: number, attempt: number): Item[] =>
  Array.from({ length: count }, (_, rank) => ({ step, rank, attempt, numerator: rank, denominator: 1 }));

const names = (count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, k) => [`name-${k}`, k]));

const words = (count: number): string[] => Array.from({ length: count }, (_, k) => `tag-${k}`);

const STEPS = 'GET /v1/runs/{run}/steps';

/** A run whose first attempt is entirely superseded. */
const resumed = (client: Client, size: number): Promise<void> =>
  once(client, `resumed-${size}`, async () => {
    await recordItems(client, `resumed-${size}`, stepsOf(size * 500, 0));
    await recordItems(client, `resumed-${size}`, stepsOf(1, 1));
  });

const attempts = [
  { name: 'superseded steps', query: { attempt: 0 } },
  { name: 'superseded steps, few points', query: { attempt: 0, max_points: 8 } },
].map(({ name, query }): ComplexityCase => ({
  ...{ name, operation: STEPS, answers: [200], prepare: resumed },
  request: (size) => ({ params: { run: `resumed-${size}` }, query }),
}));

const numberOfAttempt: ComplexityCase = {
  ...{ name: 'the number of the attempt', operation: STEPS, answers: [200], prepare: (client) => resumed(client, 1) },
  request: (size) => ({ params: { run: 'resumed-1' }, query: { attempt: size * 1000 } }),
};

const reruns: ComplexityCase = {
  ...{ name: 'batches that were computed again', operation: 'GET /v1/runs/{run}/steps/{step}/reruns', answers: [200] },
  prepare: (client, size) =>
    once(client, `rerun-${size}`, async () => {
      for (const attempt of [0, 1]) await recordItems(client, `rerun-${size}`, ranksOf(size * 100, size, attempt));
    }),
  request: (size) => ({ params: { run: `rerun-${size}`, step: size }, query: { limit: size * 12 } }),
};

const comparison: ComplexityCase = {
  ...{ name: 'steps of two equal runs', operation: 'GET /v1/runs/{run}/comparison', answers: [200] },
  prepare: (client, size) =>
    once(client, `equal-${size}`, async () => {
      for (const twin of ['a', 'b']) await recordItems(client, `equal-${size}-${twin}`, stepsOf(size * 500, 0));
    }),
  request: (size) => ({ params: { run: `equal-${size}-a` }, query: { with: `equal-${size}-b` } }),
};

const rename = [
  { name: 'unknown members', value: (size: number) => ({ name: 'renamed', ...names(size * 4000) }) },
  { name: 'a long name', value: (size: number) => ({ name: 'x'.repeat(size * 25_000) }) },
].map(({ name, value }): ComplexityCase => ({
  ...{ name, operation: 'POST /v1/runs/{run}/rename', answers: [404, 413, 422] },
  request: (size) => ({ params: { run: 'no-run' }, body: WRITERS.json(value(size)) }),
}));

const describe: ComplexityCase = {
  ...{ name: 'notes and tags', operation: 'PUT /v1/runs/{run}', answers: [200, 201] },
  request: (size) => ({
    params: { run: 'noted' },
    body: WRITERS.json({ notes: 'x'.repeat(size * 2000), tags: words(size * 8) }),
  }),
};

const filters: ComplexityCase = {
  ...{ name: 'labels and tags that are asked for', operation: 'GET /v1/runs', answers: [200, 400] },
  request: (size) => ({
    query: { label: Array.from({ length: size }, (_, k) => `name-${k}=x`), tag: words(size) },
  }),
};

export const LIFE_CASES: readonly ComplexityCase[] = [
  ...attempts,
  numberOfAttempt,
  reruns,
  comparison,
  ...rename,
  describe,
  filters,
];
