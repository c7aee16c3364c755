/** Requests that cost the service far more than they cost their client. */
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { COMPRESSIONS, WRITERS, compressed } from '../../request-bodies.ts';
import type { Compression } from '../../request-bodies.ts';
import { FLOAT16_NAN, FLOAT16_NEGATIVE_INFINITY, float16, float32, int32, rowsOf } from './batches.ts';
import type { ComplexityCase } from './case.ts';
import { once, recordSteps } from './recordings.ts';

const EVALUATE = 'POST /v1/cross-entropy';
const DIAGNOSE = 'POST /v1/diagnose';

/** Statuses of success, and of refusals that the client can act on. */
const ANSWERED_OR_REFUSED = [200, 400, 413, 422, 429];

function json(name: string, textOf: (size: number) => string): ComplexityCase {
  return {
    name,
    operation: EVALUATE,
    answers: ANSWERED_OR_REFUSED,
    request: (size) => {
      const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
      const body = gzipSync(textOf(size), { level: 1 });
      return { body: { headers, body, described: undefined } };
    },
  };
}

const MILLION = 1_000_000;

const texts: ComplexityCase[] = [
  json('bare NaN tokens of JSON', (size) => `{"logits":[[${'NaN,'.repeat(size * 1.65 * MILLION)}1]],"label":[0]}`),
  json(
    'bare -Infinity tokens of JSON',
    (size) => `{"logits":[[${'-Infinity,'.repeat(size * 0.5 * MILLION)}1]],"label":[0]}`,
  ),
  json(
    'escaped quotes in a string, and a bare token',
    (size) => `{"x":"${String.raw`\"`.repeat(size * 1.2 * MILLION)}","y":NaN}`,
  ),
  json('backslashes in a string', (size) => `{"x":"${'\\'.repeat(size * 2 * MILLION)}","y":NaN}`),
  json('a string without an end', (size) => `{"x":NaN,"y":"${String.raw`\"`.repeat(size * MILLION)}`),
  json(
    'different keys',
    (size) => `{${Array.from({ length: size * 300_000 }, (_, k) => `"${k.toString(36)}":0`).join()}}`,
  ),
  json('the same key', (size) => `{${'"logits":0,'.repeat(size * 500_000)}"label":0}`),
  json('arrays of arrays', (size) => `{"logits":[${'[1],'.repeat(size * 100_000)}[1]],"label":[0]}`),
  json('digits of a number', (size) => `{"logits":[[${'1'.repeat(size * MILLION)}]],"label":[0]}`),
  json('spaces', (size) => `{"logits":[[1]],${' '.repeat(size * 4 * MILLION)}"label":[0]}`),
  json('entries that are no numbers', (size) => `{"logits":[[${'"x",'.repeat(size * 500_000)}1]],"label":[0]}`),
];

const nonFinite: ComplexityCase[] = [
  {
    name: 'one row of NaN columns',
    operation: DIAGNOSE,
    answers: ANSWERED_OR_REFUSED,
    request: (size) => ({
      body: compressed(WRITERS.msgpack({ logits: float16([1, size * 1_000_000], FLOAT16_NAN) }), 'gzip'),
    }),
  },
  {
    name: 'rows of NaN',
    operation: DIAGNOSE,
    answers: ANSWERED_OR_REFUSED,
    request: (size) => ({
      body: compressed(WRITERS.msgpack({ logits: float16([size * 8000, 128], FLOAT16_NAN) }), 'gzip'),
    }),
  },
  {
    name: 'rows of −Inf, as many requests as workers, with many places',
    operation: EVALUATE,
    answers: ANSWERED_OR_REFUSED,
    request: (size) => ({
      body: compressed(
        WRITERS.msgpack({
          options: { max_locations: 4096 },
          label: int32([1]),
          logits: float16([1, size * 8000], FLOAT16_NEGATIVE_INFINITY),
        }),
        'gzip',
      ),
    }),
    copies: () => 2,
  },
];

/** Elements of tensors as base64 text in MessagePack, which is decoded as it arrives. */
const base64 = [
  ['base64 of a label', 'label', (size: number) => 'A'.repeat(size * 4 * MILLION)],
  ['base64 of logits', 'logits', (size: number) => 'A'.repeat(size * 4 * MILLION)],
  ['white space in base64', 'label', (size: number) => ' A'.repeat(size * 4 * MILLION)],
  ['white space in base64 of logits', 'logits', (size: number) => ' '.repeat(size * 8 * MILLION)],
  ['a text that is no base64', 'weight', (size: number) => 'é'.repeat(size * 4 * MILLION)],
  ['a text in the options', 'options', (size: number) => 'é'.repeat(size * 4 * MILLION)],
] as const;

const texts64 = base64.map(([name, field, textOf]): ComplexityCase => ({
  name: `${name} in MessagePack`,
  operation: EVALUATE,
  answers: ANSWERED_OR_REFUSED,
  request: (size) => {
    const data = textOf(size) as unknown as Uint8Array;
    const tensor = { dtype: 'uint8', shape: [size * 3 * MILLION], data } as const;
    return { body: WRITERS.msgpack({ label: int32([1]), logits: float32([1, 2]), [field]: tensor }) };
  },
}));

/** Bodies that arrive at the same time. The size is their number. */
const parallel = (Object.keys(COMPRESSIONS) as Compression[]).map((compression): ComplexityCase => {
  // 4 MB of zeros, which compress to some kilobytes.
  const batch = { label: int32([16]), logits: float32([16, 65_536], () => 0) };
  const body = compressed(WRITERS.msgpack(batch), compression);
  return {
    name: `parallel bodies in ${compression}`,
    operation: EVALUATE,
    answers: ANSWERED_OR_REFUSED,
    copies: (size) => size * 8,
    request: () => ({ body }),
  };
});

const EMPTY_FRAME = zstdCompressSync(Buffer.alloc(0));
const SKIPPABLE_FRAME = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);

/** A body behind zstd frames that decode to nothing. */
const frames = [
  ['empty frames of zstd', [EMPTY_FRAME, SKIPPABLE_FRAME], 4000],
  ['skippable frames of zstd', [SKIPPABLE_FRAME], 200_000],
] as const;

const framed = frames.map(([name, repeated, times]): ComplexityCase => ({
  name,
  operation: EVALUATE,
  answers: ANSWERED_OR_REFUSED,
  request: (size) => {
    const parts = Array.from({ length: size * times }, () => repeated).flat();
    const body = Buffer.concat([...parts, zstdCompressSync(Buffer.from('{"logits":[[1,2]],"label":[0]}'))]);
    return {
      body: {
        headers: { 'content-type': 'application/json', 'content-encoding': 'zstd' },
        body,
        described: undefined,
      },
    };
  },
}));

/** Clients that disconnect in the middle of their body, and then send it again. The size is their number. */
const leavers = (['json', 'msgpack'] as const).map((writer): ComplexityCase => {
  const body = WRITERS[writer](rowsOf(4000, {}));
  return {
    name: `clients that leave amid a body in ${writer}`,
    operation: EVALUATE,
    answers: [200, 429],
    copies: (size) => size * 10,
    request: () => ({ body }),
    send: async (client, request) => {
      await client.abandon(request, request.body!.byteLength / 2);
      return client.send(request);
    },
  };
});

/** Event streams that begin with the first event. The size is their number. */
const streams: ComplexityCase = {
  name: 'event streams from the first event',
  operation: 'GET /v1/runs/{run}/events',
  answers: [200, 429],
  prepare: (client) => once(client, 'streamed', () => recordSteps(client, 'streamed', { steps: 4000 })),
  copies: (size) => size * 6,
  request: () => ({ params: { run: 'streamed' }, query: { last_event_id: 0 } }),
  send: (client, request) => client.follow(request, 1000),
};

/** Safetensors files whose headers have many or long members. */
const headers = [
  [
    'different names of tensors',
    (size: number) => Object.fromEntries(Array.from({ length: size * 5000 }, (_, k) => [`t${k}`, float32([1])])),
  ],
  [
    'a text in the metadata',
    (size: number) => ({ options: 'x'.repeat(size * MILLION), logits: float32([1, 1]), label: int32([1]) }),
  ],
] as const;

const files = headers.map(([name, fieldsOf]): ComplexityCase => ({
  name: `${name} of a safetensors file`,
  operation: EVALUATE,
  answers: ANSWERED_OR_REFUSED,
  request: (size) => ({ body: WRITERS.safetensors(fieldsOf(size)) }),
}));

/** Media types that a client accepts. */
const accept: ComplexityCase = {
  name: 'accepted media types',
  operation: EVALUATE,
  answers: [200, 406],
  request: (size) => ({
    headers: { accept: Array.from({ length: size * 80 }, (_, k) => `a/${k};q=0.5`).join() },
    body: WRITERS.msgpack(rowsOf(2, {})),
  }),
};

export const HOSTILE_CASES: readonly ComplexityCase[] = [
  ...texts,
  ...texts64,
  ...nonFinite,
  ...parallel,
  ...framed,
  ...leavers,
  streams,
  ...files,
  accept,
];
