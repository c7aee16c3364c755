import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { DTYPES, FLOAT_DTYPES, isFloatDType } from '../../src/tensor/dtype.ts';
import type { DType } from '../../src/tensor/dtype.ts';
import type { Shape } from '../../src/tensor/shape.ts';
import { isTensor } from '../../src/tensor/tensor.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { BATCH_TENSORS, makeHeader } from '../../src/batch/header.ts';
import type { LogitsIntake } from '../../src/engine/intake.ts';
import { readRequest } from '../pipeline/read-request.ts';
import { runWaiting } from '../../src/waiting.ts';
import { ByteReader } from '../../src/wire/body/byte-reader.ts';
import { encodeElements } from '../../src/wire/tensors/elements.ts';
import { HeldBytes } from '../../src/wire/body/held-bytes.ts';
import type { Codec, DecodeContext, ReadRequest } from '../../src/wire/request.ts';
import { partOf } from '../lists.ts';
import { FORMATS } from './formats.ts';
import type { Batch } from './formats.ts';

type Order = readonly (keyof Batch)[];

const ORDERS: readonly Order[] = [
  ['options', 'vocab_start', 'vocab_size', 'label', 'weight', 'input_mask', 'logits'],
  ['logits', 'input_mask', 'label', 'weight', 'options', 'vocab_size', 'vocab_start'],
  ['label', 'logits', 'options', 'weight', 'input_mask', 'vocab_start', 'vocab_size'],
];
const STREAMED = ORDERS[0]!;
const HELD = ORDERS[1]!;

function* chunksOf(body: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < body.byteLength; at += size) yield body.subarray(at, at + size);
}

/** The context of a request, with defaults. */
function contextWith(given: Pick<DecodeContext, 'held'> & Partial<DecodeContext>): DecodeContext {
  return {
    fields: {
      tensors: BATCH_TENSORS,
      required: ['logits', 'label'],
      values: ['vocab_start', 'vocab_size'],
      options: ['reduction'],
    },
    maxJsonBytes: 2 ** 24,
    contentLength: undefined,
    ...given,
  };
}

/** Reads a request that arrives in chunks. */
async function read(
  codec: Codec,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  context: DecodeContext,
  open: (request: ReadRequest) => Pick<LogitsIntake, 'write'> = () => ({ write: () => undefined }),
): Promise<void> {
  await runWaiting(readRequest(codec, new ByteReader(Readable.from(chunks), 2 ** 24), { context, open }));
}

/** Decodes a body that arrives in chunks. */
async function decode(
  codec: Codec,
  chunks: Iterable<Uint8Array>,
  contentLength?: number,
): Promise<{ request: ReadRequest; logits: Buffer }> {
  const runs: Uint8Array[] = [];
  let request: ReadRequest | undefined;
  const heldBytes = new HeldBytes(2 ** 20);
  const held = heldBytes.open();
  await read(codec, chunks, contextWith({ held, contentLength }), (given) => {
    expect(request, 'the batch is opened once').toBeUndefined();
    request = given;
    return { write: (run) => void runs.push(Buffer.from(run)) };
  });
  held.close();
  expect(heldBytes.held).toBe(0);
  return { request: request!, logits: Buffer.concat(runs) };
}

function tensor(dtype: DType, shape: Shape, values: readonly unknown[]): Tensor {
  return { dtype, shape, data: encodeElements('test', dtype, values) };
}

const plain = (value: Tensor | undefined): unknown => value && { ...value, data: Buffer.from(value.data) };

/** Decoded fields, under the names of the wire. */
function fieldsOf({ request, logits }: Awaited<ReturnType<typeof decode>>): Record<string, unknown> {
  const header = makeHeader(request);
  const { vocab_start: start, vocab_size: size } = request.fields;
  return {
    logits: { ...header.logits, data: logits },
    label: plain(header.label),
    input_mask: plain(header.inputMask),
    weight: plain(header.weight),
    options: header.options,
    vocab_start: start,
    vocab_size: size,
  };
}

function expected({ logits, label, input_mask: mask, weight, ...rest }: Batch): Record<string, unknown> {
  return { ...rest, logits: plain(logits), label: plain(label), input_mask: plain(mask), weight: plain(weight) };
}

const LOGITS = tensor('float32', [2, 2], [1, 2, 3, 4]);
const LABEL = tensor('int8', [2], [1, 0]);
const INTEGER_DTYPES = DTYPES.filter((dtype) => !isFloatDType(dtype));

/** A batch that has every field. */
const FULL: Batch = {
  logits: tensor('float32', [2, 3], [1, -2, 0.5, 4, -0, 1.5]),
  label: tensor('int64', [2], [2, 0]),
  input_mask: tensor('bool', [2], [1, 0]),
  weight: tensor('float64', [3], [0.1, 1, 0]),
  options: { reduction: 'sum', ignore_index: [1, -100], label_smoothing: 0.1, outputs: ['lse'] },
  vocab_start: 3,
  vocab_size: 70_000,
};

const BATCHES: readonly Batch[] = [
  FULL,
  ...FLOAT_DTYPES.map((dtype) => ({
    logits: tensor(dtype, [2, 3], [1, -2, 0.5, Infinity, -0, 1.5]),
    label: tensor('int64', [2], [2, 0]),
  })),
  ...FLOAT_DTYPES.map((dtype) => ({ logits: LOGITS, label: tensor(dtype, [2, 2], [0.25, 0.75, 1, 0]) })),
  ...INTEGER_DTYPES.map((dtype) => ({ logits: LOGITS, label: tensor(dtype, [2], [1, 0]), options: {} })),
  ...DTYPES.map((dtype) => ({ logits: LOGITS, label: LABEL, input_mask: tensor(dtype, [2], [1, 0]) })),
  ...DTYPES.map((dtype) => ({ logits: LOGITS, label: LABEL, weight: tensor(dtype, [2], [1, 0]) })),
  { logits: tensor('float32', [0, 5], []), label: tensor('int32', [0], []) },
  { logits: tensor('float64', [1, 1], [3]), label: tensor('uint8', [1], [0]), options: {} },
  {
    logits: tensor('bfloat16', [2, 1, 1, 2], [1, 2, 3, 4]),
    label: tensor('uint32', [2, 1, 1], [1, 0]),
    weight: tensor('float32', [], [1]),
  },
];

const EXTREMES: Batch = {
  logits: LOGITS,
  label: tensor('int64', [2], [2n ** 63n - 1n, -(2n ** 63n)]),
  input_mask: tensor('uint64', [2], [2n ** 64n - 1n, 2n ** 53n + 1n]),
};

/** A batch many times larger than a chunk of a socket. */
const LARGE: Batch = {
  logits: { dtype: 'float32', shape: [400, 1000], data: new Uint8Array(1_600_000).fill(63) },
  label: { dtype: 'int8', shape: [400], data: new Uint8Array(400) },
};

describe.each(FORMATS)('$name', ({ numpyArrays, exactIntegers, nameless = [], ...format }) => {
  const named = BATCHES.filter((batch) =>
    Object.values(batch).every((value) => !isTensor(value) || !nameless.includes(value.dtype)),
  );

  test.each(partOf([7, 1, 2, 3, 64, 2 ** 20], 6))(
    'reads every dtype, shape and order of fields in chunks of %i bytes',
    async (chunkBytes) => {
      for (const batch of exactIntegers ? [...named, EXTREMES] : named) {
        for (const order of ORDERS) {
          const { codec, body } = format.encode(batch, order);
          expect(fieldsOf(await decode(codec, chunksOf(body, chunkBytes)))).toEqual(expected(batch));
        }
      }
    },
  );

  test('reads a body that is cut in two, wherever that is', async () => {
    for (const order of ORDERS) {
      const { codec, body } = format.encode(FULL, order);
      for (const at of partOf(Array.from(body.keys()), 13).slice(1)) {
        const halves = [body.subarray(0, at), body.subarray(at)];
        expect(fieldsOf(await decode(codec, halves, body.byteLength))).toEqual(expected(FULL));
      }
    }
  });

  test('refuses a body that ends early, wherever that is, and gives held bytes back', async () => {
    for (const order of ORDERS) {
      const { codec, body } = format.encode(FULL, order);
      for (const at of partOf(Array.from(body.keys()), 13)) {
        const heldBytes = new HeldBytes(2 ** 20);
        const held = heldBytes.open();
        await expect(read(codec, [body.subarray(0, at)], contextWith({ held }))).rejects.toMatchObject({
          code: expect.stringMatching(/^(truncated|malformed)_body$/) as string,
        });
        held.close();
        expect(heldBytes.held).toBe(0);
      }
    }
  });

  test('refuses a byte too many', async () => {
    for (const order of ORDERS) {
      const { codec, body } = format.encode(FULL, order);
      const longer = Buffer.concat([body, Buffer.of(0x7d)]);
      for (const contentLength of [undefined, longer.byteLength]) {
        await expect(decode(codec, [longer], contentLength)).rejects.toMatchObject({ code: 'malformed_body' });
      }
    }
  });

  test('says whether outputs should be arrays of msgpack-numpy', async () => {
    for (const order of ORDERS) {
      const { codec, body } = format.encode(FULL, order);
      expect((await decode(codec, [body])).request.streamed.isNumpy ?? false).toBe(numpyArrays);
    }
  });

  test('lets logits wait in bounded memory when other fields follow, and refuses them beyond', async () => {
    const { codec, body } = format.encode(LARGE, HELD);
    const decodeWithin = async (bytes: number): Promise<void> => {
      const held = new HeldBytes(bytes).open();
      await read(codec, chunksOf(body, 65_536), contextWith({ held }));
    };
    await expect(decodeWithin(2 ** 24)).resolves.toBeUndefined();
    await expect(decodeWithin(2 ** 19)).rejects.toMatchObject({ code: 'body_too_large' });
  });
});

describe.each(FORMATS.filter(({ streams }) => streams))('$name', (format) => {
  test('hands logits on before the body has ended when they come last', async () => {
    const { codec, body } = format.encode(LARGE, STREAMED);
    let came = 0;
    async function* slowly(): AsyncGenerator<Uint8Array> {
      yield* chunksOf(body.subarray(0, -2000), 65_536);
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(came).toBe(1_598_000);
      yield body.subarray(-2000);
    }
    const held = new HeldBytes(2 ** 19).open();
    await read(codec, slowly(), contextWith({ held }), () => ({ write: (run) => void (came += run.byteLength) }));
    expect(came).toBe(1_600_000);
  });
});
