/** Reading, describing and deleting runs with long histories. The size is the amount of recorded data. */
import { SORTS } from '../../../src/contract/runs.ts';
import type { Client } from '../../http-client.ts';
import { WRITERS } from '../../request-bodies.ts';
import { SIZES } from './case.ts';
import type { ComplexityCase } from './case.ts';
import { once, recordNanBatches, recordSteps } from './recordings.ts';

const STEPS = 500;
/** Numbers of steps of the runs that are read in part. */
const LONG = { finite: 6000, NaN: 12_000 };
const BATCHES = 20;
const RUNS = 25;

/** Recorded data of a run. */
interface History {
  readonly what: string;
  readonly record: (client: Client, run: string, size: number) => Promise<void>;
}

const FINITE: History = {
  what: 'steps',
  record: (client, run, size) => recordSteps(client, run, { steps: size * STEPS }),
};

/** Fewer steps, because each measurement records its own run. */
const FEW_STEPS: History = {
  what: 'steps',
  record: (client, run, size) => recordSteps(client, run, { steps: size * 200 }),
};

const NAN_BATCHES: History = {
  what: 'NaN micro-batches of a step',
  record: (client, run, size) => recordNanBatches(client, run, size * BATCHES),
};

const HISTORIES = [FINITE, NAN_BATCHES];

type Query = Record<string, string | number>;

function reads(
  operation: string,
  { what, record }: History,
  { name = '', query, params = {} }: { name?: string; query?: (size: number) => Query; params?: Query } = {},
): ComplexityCase {
  const runOf = (size: number): string => `${what.replaceAll(' ', '-')}-${size}`;
  return {
    name: `${what}${name}`,
    operation,
    answers: [200],
    prepare: (client, size) => once(client, runOf(size), () => record(client, runOf(size), size)),
    request: (size) => ({ params: { run: runOf(size), ...params }, ...(query && { query: query(size) }) }),
  };
}

const EXPORT = 'GET /v1/runs/{run}/export';

/** Reads of growing parts of a long run. */
const ofCurves = (['finite', 'NaN'] as const).flatMap((what) =>
  [
    { name: 'as many points as there are', query: (steps: number) => ({ max_points: steps }) },
    { name: 'few points', query: () => ({ max_points: 4 }) },
    { name: 'a page', query: (steps: number) => ({ limit: steps, from: steps / 10 }) },
  ].map(({ name, query }): ComplexityCase => ({
    name: `${what} steps, ${name}`,
    operation: 'GET /v1/runs/{run}/steps',
    answers: [200],
    prepare: (client) =>
      once(client, what, () => recordSteps(client, what, { steps: LONG[what], nan: what === 'NaN' })),
    request: (size) => {
      const steps = (size / SIZES.at(-1)!) * LONG[what];
      return { params: { run: what }, query: { to: steps - 1, ...query(steps) } };
    },
  })),
);

const ofHistories = HISTORIES.flatMap((history) => [
  reads('GET /v1/runs/{run}', history),
  ...['csv', 'jsonl'].flatMap((format) =>
    ['steps', 'batches'].map((of) =>
      reads(EXPORT, history, { name: `, ${of} as ${format}`, query: () => ({ format, of }) }),
    ),
  ),
  {
    ...reads('GET /v1/runs/{run}/events', history, { name: ', from the first', query: () => ({ last_event_id: '0' }) }),
    send: (client: Client, request) => client.follow(request, 300),
  } satisfies ComplexityCase,
]);

const GET_STEP = 'GET /v1/runs/{run}/steps/{step}';

const ofSteps: ComplexityCase[] = [
  reads(GET_STEP, NAN_BATCHES, { params: { step: 0 }, query: (size) => ({ limit: size * BATCHES }) }),
  {
    name: 'ranks that have not reported',
    operation: GET_STEP,
    answers: [200],
    prepare: (client, size) =>
      once(client, `ranks-${size}`, async () => {
        await recordSteps(client, `ranks-${size}`, { steps: 1 });
        const body = WRITERS.json({ expected_ranks: size * 2 ** 17 });
        await client.send({ method: 'PUT', path: `/v1/runs/ranks-${size}`, headers: body.headers, body: body.body });
      }),
    request: (size) => ({ params: { run: `ranks-${size}`, step: 0 } }),
  },
  {
    name: 'the number of the step',
    operation: GET_STEP,
    answers: [404],
    request: (size) => ({ params: { run: 'no-run', step: size * 1e9 } }),
  },
];

/** More runs than a page has. The first page counts all runs. */
const MANY_RUNS = 500;

/** Words of a search. Only the last label has them. */
const words = (count: number): string => Array.from({ length: count }, (_, k) => `x${k}`).join(' ');
const MOST_WORDS = 64;

const labels = Object.fromEntries(Array.from({ length: 8 }, (_, k) => [`l${k}`, k === 7 ? words(MOST_WORDS) : 'x']));

async function describeRuns(client: Client, name: string): Promise<void> {
  const { headers, body } = WRITERS.json({ labels });
  for (let k = 0; k < MANY_RUNS; k++) {
    const { status } = await client.send({ method: 'PUT', path: `/v1/runs/${name}-${k}`, headers, body });
    if (status !== 201) throw new Error(`a run was answered ${status}`);
  }
}

/** @param runsOf function of the size that gives the number of runs in units of MANY_RUNS */
function listing(name: string, query: (size: number) => Query, runsOf = (size: number) => size): ComplexityCase {
  return {
    name,
    operation: 'GET /v1/runs',
    answers: [200],
    prepare: async (client, size) => {
      for (let k = 1; k <= runsOf(size); k++) await once(client, `many-${k}`, () => describeRuns(client, `many-${k}`));
    },
    request: (size) => ({ query: query(size) }),
  };
}

const runs: ComplexityCase[] = [
  {
    name: 'runs',
    operation: 'GET /v1/runs',
    answers: [200],
    prepare: (client, size) =>
      once(client, `runs-${size}`, async () => {
        for (let k = 0; k < size * RUNS; k++) await recordSteps(client, `run-${size}-${k}`, { steps: 10 });
      }),
    request: (size) => ({ query: { limit: size * RUNS } }),
  },
  ...SORTS.map((sort) => listing(`many runs, sort=${sort}`, () => ({ sort, limit: 1 }))),
  listing('many runs, a search', () => ({ search: 'l7=x1', sort: 'updated' })),
  listing(
    'words of a search',
    (size) => ({ search: words((size * MOST_WORDS) / SIZES.at(-1)!) }),
    () => 1,
  ),
];

let deletions = 0;

/** Each deletion has a run of its own. */
const remove = [FEW_STEPS, NAN_BATCHES].map(({ what, record }): ComplexityCase => ({
  name: what,
  operation: 'DELETE /v1/runs/{run}',
  answers: [204],
  prepare: (client, size) => record(client, `removed-${++deletions}`, size),
  request: () => ({ params: { run: `removed-${deletions}` } }),
}));

const DESCRIBE = 'PUT /v1/runs/{run}';

const names = (count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, k) => [`name-${k}`, k]));

const describe = [
  {
    name: 'labels, and expected ranks',
    value: (size: number) => ({ labels: names(size * 8), expected_ranks: size * 1000 }),
  },
  { name: 'too many labels', value: (size: number) => ({ labels: names(size * 5000) }) },
  { name: 'labels that are not valid', value: (size: number) => ({ labels: { x: 'x'.repeat(size * 500_000) } }) },
  { name: 'unknown members', value: (size: number) => names(size * 5000) },
].map(({ name, value }): ComplexityCase => ({
  name,
  operation: DESCRIBE,
  answers: [200, 201, 413, 422],
  request: (size) => ({ params: { run: 'described' }, body: WRITERS.json(value(size)) }),
}));

/** A pair, recorded at growing numbers of step, rank, micro-batch and attempt. */
const places: ComplexityCase = {
  name: 'numbers of step, rank, micro-batch and attempt',
  operation: 'PUT /v1/runs/{run}/steps/{step}/ranks/{rank}',
  answers: [200, 201],
  request: (size) => ({
    params: { run: 'places', step: size * 1e9, rank: size * 1000 },
    query: { micro_batch: size * 1000, attempt: size * 1000 },
    body: WRITERS.json({ numerator: 1, denominator: 1 }),
  }),
};

export const HISTORY_CASES: readonly ComplexityCase[] = [
  ...ofCurves,
  ...ofHistories,
  ...ofSteps,
  ...runs,
  ...remove,
  ...describe,
  places,
];
