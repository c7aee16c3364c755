/** Jobs over the files of the data directory. Its only file is the store of the history. */
import type { Client } from '../../http-client.ts';
import { WRITERS } from '../../request-bodies.ts';
import { httpRequest } from './case.ts';
import type { ComplexityCase } from './case.ts';
import { once } from './recordings.ts';

const CREATE = 'POST /v1/jobs';

/** An existing file. It is not a safetensors file, so its job fails at once. */
const FILE = 'history.db';

/** Number of listed jobs for each unit of size. */
const JOBS = 20;

const ORDER = { kind: 'cross_entropy', files: [FILE] };
const COMPARISON = { kind: 'kl_divergence', files: [FILE] };

const times = <T>(count: number, value: (k: number) => T): T[] => Array.from({ length: count }, (_, k) => value(k));

const names = (count: number): Record<string, string> =>
  Object.fromEntries(times(count, (k) => [`name-${k}`, 'x'] as const));

const orders = [
  { name: 'names of files', value: (size: number) => ({ ...ORDER, files: times(128 * size, () => FILE) }) },
  { name: 'too many names', value: (size: number) => ({ ...ORDER, files: times(2000 * size, () => FILE) }) },
  {
    name: 'patterns',
    value: (size: number) => ({ ...ORDER, files: times(120 * size, (k) => `${'*'.repeat(k + 1)}.db`) }),
  },
  {
    name: 'a pattern of many folders',
    value: (size: number) => ({ ...ORDER, files: times(8, () => `${'**/'.repeat(40 * size)}${FILE}`) }),
  },
  {
    name: 'references',
    value: (size: number) => ({ ...COMPARISON, reference: times(128 * size, (k) => `missing-${k}.safetensors`) }),
  },
  { name: 'unknown members', value: (size: number) => ({ ...ORDER, ...names(1000 * size) }) },
  { name: 'names of tensors', value: (size: number) => ({ ...ORDER, tensors: names(1000 * size) }) },
  { name: 'unknown options', value: (size: number) => ({ ...ORDER, options: names(1000 * size) }) },
  {
    name: 'options',
    value: (size: number) => ({
      ...ORDER,
      options: {
        ...{ ignore_index: 100 * size, class_axis: size, shift: 4 * size, max_locations: 500 * size },
        parallel_config: { data_parallel: size, model_parallel: size },
        metrics: times(size, () => 'ece'),
        outputs: times(size, () => 'lse'),
      },
    }),
  },
  {
    name: 'lists of options',
    value: (size: number) => ({
      ...ORDER,
      options: { ignore_index: times(1000 * size, (k) => k * size), parallel_config: names(500 * size) },
    }),
  },
  { name: 'worst rows', value: (size: number) => ({ ...COMPARISON, options: { worst_rows: 16 * size } }) },
].map(({ name, value }): ComplexityCase => ({
  name,
  operation: CREATE,
  answers: [202, 413, 422],
  request: (size) => ({ body: WRITERS.json({ ...value(size) }) }),
}));

async function createJobs(client: Client): Promise<void> {
  for (let k = 0; k < JOBS; k++) {
    const { status } = await client.send(httpRequest(CREATE, { body: WRITERS.json({ ...ORDER }) }));
    if (status !== 202) throw new Error(`a job was answered ${status}`);
  }
}

const list: ComplexityCase = {
  name: 'jobs',
  operation: 'GET /v1/jobs',
  answers: [200],
  prepare: async (client, size) => {
    for (let k = 1; k <= size; k++) await once(client, `jobs-${k}`, () => createJobs(client));
  },
  request: (size) => ({ query: { limit: size * JOBS } }),
};

/** Operations of unknown jobs, with growing numbers. */
const ofUnknown = [
  ...['GET /v1/jobs/{id}', 'GET /v1/jobs/{id}/events', 'GET /v1/jobs/{id}/result', 'DELETE /v1/jobs/{id}'],
  ...['POST /v1/jobs/{id}/cancel', 'POST /v1/jobs/{id}/retry'],
].map((operation): ComplexityCase => ({
  name: 'the number of a job',
  operation,
  answers: [404],
  request: (size) => ({ params: { id: size * 1e9 } }),
}));

export const JOB_CASES: readonly ComplexityCase[] = [...orders, list, ...ofUnknown];
