/** Merging the shards of a vocabulary. */
import { Unpackr } from 'msgpackr';
import type { Client } from '../../http-client.ts';
import { WRITERS } from '../../request-bodies.ts';
import { float32, int32 } from './batches.ts';
import { httpRequest } from './case.ts';
import type { ComplexityCase } from './case.ts';

const COMBINE = 'POST /v1/cross-entropy/combine';
const SHARD = 'POST /v1/cross-entropy/partials';

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

/** Number of classes of a shard. */
const WIDTH = 8;

interface Shards {
  readonly shards: number;
  readonly rows: number;
}

/** Formats of partials, with the function that reads an answer in the format. */
const FORMATS = {
  json: { accept: 'application/json', read: (body: Buffer) => JSON.parse(body.toString()) as object },
  msgpack: { accept: 'application/vnd.msgpack', read: (body: Buffer) => unpackr.unpack(body) as object },
} as const;

type FormatName = keyof typeof FORMATS;

/** Answers of all shards of a batch. */
async function evaluateShards(client: Client, { shards, rows }: Shards, format: FormatName): Promise<object[]> {
  const { accept, read } = FORMATS[format];
  const partials: object[] = [];
  const label = int32([rows], (row) => row % WIDTH);
  for (let shard = 0; shard < shards; shard++) {
    const options = { outputs: ['lse', 'predictions'] };
    const vocabulary = { vocab_start: shard * WIDTH, vocab_size: shards * WIDTH };
    const body = WRITERS.msgpack({ ...vocabulary, options, label, logits: float32([rows, WIDTH]) });
    const answer = await client.send(httpRequest(SHARD, { headers: { accept }, body }));
    partials.push(read(answer.body));
  }
  return partials;
}

/** Requests to merge partials that were evaluated before the measurement. */
function merging(
  name: string,
  {
    sizeOf,
    change = (partials) => ({ partials }),
    answers = [200],
  }: {
    sizeOf: (size: number) => Shards;
    change?: (partials: object[], size: number) => object;
    answers?: readonly number[];
  },
): ComplexityCase[] {
  return (['json', 'msgpack'] as const).map((writer) => {
    let partials: object[] = [];
    return {
      name: `${name}, as ${writer}`,
      ...{ operation: COMBINE, answers },
      prepare: async (client, size) => {
        partials = await evaluateShards(client, sizeOf(size), writer);
      },
      request: (size) => ({ body: WRITERS[writer]({ ...change(partials, size) }) }),
    };
  });
}

const REFUSALS = [400, 413, 422];
const two = (): Shards => ({ shards: 2, rows: 2 });

const names = (count: number): object =>
  Object.fromEntries(Array.from({ length: count }, (_, k) => [`optoin_${k}`, k]));

const options = [
  ['labels to ignore', (size: number) => ({ ignore_index: Array.from({ length: size * 128 }, (_, k) => k) })],
  ['a label to ignore', (size: number) => ({ ignore_index: size * 1000 })],
  ['entries of outputs', (size: number) => ({ outputs: Array.from({ length: size * 5000 }, () => 'lse') })],
  ['entries of metrics', (size: number) => ({ metrics: Array.from({ length: size * 5000 }, () => 'ece') })],
  ['unknown options', (size: number) => names(size * 10_000)],
  ['unknown members of parallel_config', (size: number) => ({ parallel_config: names(size * 10_000) })],
  ['a shift', (size: number) => ({ shift: size })],
  ['a class axis', (size: number) => ({ class_axis: size })],
  ['places', (size: number) => ({ max_locations: size * 512 })],
  [
    'groups and shards',
    (size: number) => ({ parallel_config: { data_parallel: size * 100, model_parallel: size * 10 } }),
  ],
] as const;

export const PARTIAL_CASES: readonly ComplexityCase[] = [
  ...merging('rows of two shards', { sizeOf: (size) => ({ shards: 2, rows: size * 4000 }) }),
  ...merging('shards', { sizeOf: (size) => ({ shards: size * 16, rows: 250 }) }),
  ...merging('partials that are none', {
    sizeOf: two,
    change: (_partials, size) => ({ partials: Array.from({ length: size * 5000 }, () => ({ lossmeter_partial: 1 })) }),
    answers: REFUSALS,
  }),
  ...merging('members of a partial', {
    sizeOf: two,
    change: ([first, second], size) => ({ partials: [{ ...first, ...names(size * 20_000) }, second] }),
    answers: [200, ...REFUSALS],
  }),
  ...merging('unknown members', {
    sizeOf: two,
    change: (partials, size) => ({ partials, ...names(size * 10_000) }),
    answers: REFUSALS,
  }),
  ...options.flatMap(([name, optionsOf]) =>
    merging(name, {
      sizeOf: two,
      change: (partials, size) => ({ partials, options: optionsOf(size) }),
      answers: [200, ...REFUSALS],
    }),
  ),
];
