import { Readable } from 'node:stream';
import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { DTYPES, FLOAT_DTYPES, isFloatDType } from '../../src/tensor/dtype.ts';
import type { DType } from '../../src/tensor/dtype.ts';
import type { Shape } from '../../src/tensor/shape.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { ByteReader } from '../../src/wire/byte-reader.ts';
import { encodeElements } from '../../src/wire/elements.ts';
import { HeldBytes } from '../../src/wire/held-bytes.ts';
import { jsonCodec } from '../../src/wire/json.ts';
import { parseJson } from '../../src/wire/json-text.ts';
import { msgpackCodec } from '../../src/wire/msgpack.ts';
import type { Codec, RequestHeader } from '../../src/wire/request.ts';

interface Batch {
  logits: Tensor;
  label: Tensor;
  inputMask?: Tensor;
  options?: unknown;
}

type Encode = (batch: Batch, order: readonly string[]) => Uint8Array;

const packr = new Packr({ useRecords: false, variableMapSize: true });

function ordered(batch: Batch, order: readonly string[], tensor: (tensor: Tensor) => unknown): Record<string, unknown> {
  const fields: Record<string, unknown> = {
    logits: tensor(batch.logits),
    label: tensor(batch.label),
    input_mask: batch.inputMask && tensor(batch.inputMask),
    options: batch.options,
  };
  return Object.fromEntries(order.filter((name) => fields[name] !== undefined).map((name) => [name, fields[name]]));
}

const base64 = (tensor: Tensor): unknown => ({ ...tensor, data: Buffer.from(tensor.data).toString('base64') });
const reversed = (tensor: Tensor): unknown => ({ data: tensor.data, shape: tensor.shape, dtype: tensor.dtype });

/** Every codec, with an encoder for each way to write a request in its format. */
const CODECS: [string, Codec, Encode][] = [
  ['MessagePack', msgpackCodec, (batch, order) => packr.pack(ordered(batch, order, (tensor) => tensor))],
  ['MessagePack, data before its shape', msgpackCodec, (batch, order) => packr.pack(ordered(batch, order, reversed))],
  ['JSON with base64', jsonCodec, (batch, order) => Buffer.from(JSON.stringify(ordered(batch, order, base64)))],
];

const ORDERS = [
  ['options', 'label', 'input_mask', 'logits'],
  ['logits', 'label', 'input_mask', 'options'],
  ['label', 'logits', 'options', 'input_mask'],
];

function* chunks(body: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < body.byteLength; at += size) yield body.subarray(at, at + size);
}

/** Decodes a body that comes in chunks of a size. */
async function decode(
  codec: Codec,
  body: Uint8Array,
  chunkBytes: number,
): Promise<{ header: RequestHeader; logits: Buffer }> {
  const runs: Uint8Array[] = [];
  let header: RequestHeader | undefined;
  const heldBytes = new HeldBytes(2 ** 20);
  const held = heldBytes.open();
  await codec.decode(new ByteReader(Readable.from(chunks(body, chunkBytes)), 2 ** 20), {
    held,
    optionNames: ['reduction'],
    parameterNames: [],
    parseJson,
    maxJsonBytes: 2 ** 20,
    contentLength: undefined,
    begin(given) {
      expect(header, 'begin is called once').toBeUndefined();
      header = given;
      return { write: (run) => void runs.push(Buffer.from(run)) };
    },
  });
  held.close();
  expect(heldBytes.held).toBe(0);
  return { header: header!, logits: Buffer.concat(runs) };
}

function tensor(dtype: DType, shape: Shape, values: number[]): Tensor {
  return { dtype, shape, data: encodeElements('test', dtype, values) };
}

const plain = (value: Tensor | undefined): unknown => value && { ...value, data: Buffer.from(value.data) };

describe.each(CODECS)('%s', (_name, codec, encode) => {
  const batches: Batch[] = [
    ...FLOAT_DTYPES.map((dtype) => ({
      logits: tensor(dtype, [2, 3], [1, -2, 0.5, Infinity, -0, 1.5]),
      label: tensor('int64', [2], [2, 0]),
    })),
    ...DTYPES.filter((dtype) => !isFloatDType(dtype)).map((dtype) => ({
      logits: tensor('float32', [2, 2], [1, 2, 3, 4]),
      label: tensor(dtype, [2], [1, 0]),
      inputMask: tensor('bool', [2], [1, 0]),
      options: { reduction: 'sum', ignore_index: [1, -100] },
    })),
    ...DTYPES.map((dtype) => ({
      logits: tensor('float32', [2, 1, 2], [1, 2, 3, 4]),
      label: tensor('int8', [2, 1], [1, 0]),
      inputMask: tensor(dtype, [2, 1], [1, 0]),
    })),
    { logits: tensor('float32', [0, 5], []), label: tensor('int32', [0], []) },
    { logits: tensor('float64', [1, 1], [3]), label: tensor('uint8', [1], [0]), options: {} },
  ];

  test.each([1, 2, 3, 7, 64, 2 ** 20])(
    'reads every dtype, shape and order of fields in chunks of %i bytes',
    async (chunkBytes) => {
      for (const batch of batches) {
        for (const order of ORDERS) {
          const { header, logits } = await decode(codec, encode(batch, order), chunkBytes);
          expect({ ...header.logits, data: logits }).toEqual(plain(batch.logits));
          expect(plain(header.label)).toEqual(plain(batch.label));
          expect(plain(header.inputMask)).toEqual(plain(batch.inputMask));
          expect(header.options).toEqual(batch.options);
        }
      }
    },
  );

  test('gives held bytes back when it refuses', async () => {
    const heldBytes = new HeldBytes(2 ** 20);
    const held = heldBytes.open();
    const body = encode(batches[0]!, ORDERS[1]!).subarray(0, -1);
    const context = {
      held,
      optionNames: [],
      parameterNames: [],
      parseJson,
      maxJsonBytes: 2 ** 20,
      contentLength: undefined,
      begin: () => ({ write() {} }),
    };
    await expect(codec.decode(new ByteReader(Readable.from([body]), 1000), context)).rejects.toThrow(/.+/);
    held.close();
    expect(heldBytes.held).toBe(0);
  });
});

test('MessagePack hands logits on before the body has ended when they come last', async () => {
  const batch = {
    logits: tensor(
      'float32',
      [100, 10],
      Array.from({ length: 1000 }, (_, k) => k),
    ),
    label: tensor(
      'int8',
      [100],
      Array.from({ length: 100 }, () => 0),
    ),
  };
  const body = packr.pack(ordered(batch, ORDERS[0]!, (t) => t));
  let came = 0;
  async function* slowly(): AsyncGenerator<Uint8Array> {
    yield body.subarray(0, -2000);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(came).toBe(2000);
    yield body.subarray(-2000);
  }
  const held = new HeldBytes(4000).open();
  await msgpackCodec.decode(new ByteReader(Readable.from(slowly()), 2 ** 20), {
    held,
    optionNames: [],
    parameterNames: [],
    parseJson,
    maxJsonBytes: 0,
    contentLength: undefined,
    begin: () => ({ write: (run) => void (came += run.byteLength) }),
  });
  expect(came).toBe(4000);
});
