/** Reading a request, with a writer that replaces the kernels. */
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import type { LogitsIntake } from '../../src/engine/intake.ts';
import { readRequest } from './read-request.ts';
import { runWaiting } from '../../src/waiting.ts';
import { ByteReader } from '../../src/wire/body/byte-reader.ts';
import { BATCH_TENSORS } from '../../src/batch/header.ts';
import { HeldBytes } from '../../src/wire/body/held-bytes.ts';
import { codecFor } from '../../src/wire/media-types.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { safetensorsFile } from '../safetensors-file.ts';
import type { Codec, ReadRequest } from '../../src/wire/request.ts';

const CHUNK_BYTES = 65_536;
const CLASSES = 40_000;
const packr = new Packr({ useRecords: false, variableMapSize: true });

const LABEL = { dtype: 'int32', shape: [1], data: new Uint8Array(4) };
const LOGITS = { dtype: 'float32', shape: [1, CLASSES], data: new Uint8Array(4 * CLASSES).fill(63) };

/** Chunks of a body. Each owns its whole memory, like the chunks of a socket. */
function chunksOf(body: Uint8Array): Uint8Array[] {
  const count = Math.ceil(body.byteLength / CHUNK_BYTES);
  return Array.from({ length: count }, (_, k) =>
    Uint8Array.from(body.subarray(k * CHUNK_BYTES, (k + 1) * CHUNK_BYTES)),
  );
}

const CONTEXT = {
  fields: {
    tensors: BATCH_TENSORS,
    required: ['logits', 'label'] as const,
    tensorsOptional: true,
    values: ['numerator', 'denominator'],
    options: [],
  },
  maxJsonBytes: 2 ** 24,
  contentLength: undefined,
};

function read(
  chunks: readonly Uint8Array[],
  write: LogitsIntake['write'],
  { type = 'application/vnd.msgpack', held = new HeldBytes(2 ** 24).open() } = {},
): { reading: unknown; headers: ReadRequest[] } {
  const headers: ReadRequest[] = [];
  const reader = new ByteReader(Readable.from(chunks), 2 ** 24);
  const reading = runWaiting(
    readRequest(codecFor(type)!, reader, {
      context: { ...CONTEXT, held },
      open: (header) => {
        headers.push(header);
        return { write };
      },
    }),
  );
  return { reading, headers };
}

test('the memory of a chunk is freed once it is written, and not before', async () => {
  const chunks = chunksOf(packr.pack({ label: LABEL, logits: LOGITS }));
  const lengths: number[] = [];
  const { reading } = read(chunks, async (run) => {
    await sleep(1);
    lengths.push(run.byteLength);
  });
  await reading;
  expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(LOGITS.data.byteLength);
  // The first chunk also contains the label, which keeps its memory.
  expect(chunks.map(({ byteLength }) => byteLength)).toEqual([CHUNK_BYTES, 0, 0]);
});

test('logits that come first wait for the other fields, and then are written', async () => {
  const chunks = chunksOf(packr.pack({ logits: LOGITS, label: LABEL }));
  const written: Buffer[] = [];
  const { reading, headers } = read(chunks, (run) => void written.push(Buffer.from(run)));
  await reading;
  expect(headers).toHaveLength(1);
  expect(Buffer.concat(written).equals(LOGITS.data)).toBe(true);
  expect(chunks[1]!.byteLength).toBe(0);
});

test('a request without tensors has its fields read, in every format that can say it', async () => {
  const pair = { numerator: 3, denominator: 2 };
  for (const [type, body] of [
    ['application/vnd.msgpack', packr.pack(pair)],
    ['application/json', Buffer.from(JSON.stringify(pair))],
  ] as const) {
    const { reading, headers } = read([body], () => undefined, { type });
    expect([await reading, headers]).toEqual([pair, []]);
  }
});

test('what fails ends the decoding, and the writing', async () => {
  const failure = new Error('the writer failed');
  for (const write of [
    () => Promise.reject(failure),
    () => {
      throw failure;
    },
  ]) {
    const { reading } = read(chunksOf(packr.pack({ label: LABEL, logits: LOGITS })), write);
    await expect(reading).rejects.toBe(failure);
  }
});

test('bytes behind the request are refused', async () => {
  const body = Buffer.concat([packr.pack({ label: LABEL, logits: LOGITS }), Buffer.of(0)]);
  await expect(read(chunksOf(body), () => undefined).reading).rejects.toThrow('at least 1 bytes follow the end');
});

test('a request that is given up ends its decoding, wherever it is', () => {
  let isEnded = false;
  const codec: Codec = {
    name: 'endless',
    mediaTypes: [],
    *decode() {
      try {
        for (;;) yield { is: 'more' };
      } finally {
        isEnded = true;
      }
    },
  };
  const reading = readRequest(codec, new ByteReader(new Readable({ read: () => undefined }), 2 ** 24), {
    context: { ...CONTEXT, held: new HeldBytes(1).open() },
    open: () => ({ write: () => undefined }),
  });
  reading.next();
  expect(isEnded).toBe(false);
  reading.return(undefined);
  expect(isEnded).toBe(true);
});

describe('two tensors that could stream', () => {
  const PAIR = {
    tensors: ['logits', 'reference', 'label', 'reference.indices', 'reference.logprobs'] as const,
    ...{ required: ['logits'] as const, values: [], options: [] },
  };
  const REFERENCE = { ...LOGITS, data: LOGITS.data.map((byte) => byte ^ 1) };

  async function readPair(body: Uint8Array, type: string) {
    const written: Buffer[] = [];
    const headers: ReadRequest[] = [];
    const heldBytes = new HeldBytes(2 ** 24);
    const reader = new ByteReader(Readable.from(chunksOf(body)), 2 ** 24);
    await runWaiting(
      readRequest(codecFor(type)!, reader, {
        context: { fields: PAIR, maxJsonBytes: 2 ** 24, contentLength: undefined, held: heldBytes.open() },
        open: (header) => {
          headers.push(header);
          return { write: (run) => void written.push(Buffer.from(run)) };
        },
      }),
    );
    return { header: headers[0]!, streamed: Buffer.concat(written), heldBytes };
  }

  const inMsgpack = (fields: object): [Uint8Array, string] => [packr.pack(fields), 'application/vnd.msgpack'];
  const inFile = (fields: Record<string, typeof LOGITS>): [Uint8Array, string] => [
    safetensorsFile(Object.entries(fields) as [string, Tensor][]),
    'application/vnd.safetensors',
  ];
  const inJson = (fields: Record<string, typeof LOGITS>): [Uint8Array, string] => {
    const base64 = ([name, tensor]: [string, typeof LOGITS]) => [
      name,
      { ...tensor, data: Buffer.from(tensor.data).toString('base64') },
    ];
    return [Buffer.from(JSON.stringify(Object.fromEntries(Object.entries(fields).map(base64)))), 'application/json'];
  };

  test.each([
    ['MessagePack', inMsgpack],
    ['safetensors', inFile],
  ])('in %s the last one streams, the first one waits on the account', async (_name, encode) => {
    for (const [first, last] of [
      ['logits', 'reference'],
      ['reference', 'logits'],
    ] as const) {
      const tensors = { logits: LOGITS, reference: REFERENCE };
      const { header, streamed, heldBytes } = await readPair(
        ...encode({ [first]: tensors[first], [last]: tensors[last] }),
      );
      expect(header.streamed).toMatchObject({ name: last, dtype: LOGITS.dtype, shape: LOGITS.shape });
      expect(streamed.equals(tensors[last].data)).toBe(true);
      expect(header.before).toHaveLength(1);
      expect(header.before[0]).toMatchObject({ name: first, dtype: LOGITS.dtype, shape: LOGITS.shape });
      expect(Buffer.from(header.before[0]!.data!).equals(tensors[first].data)).toBe(true);
      expect(heldBytes.held).toBeGreaterThanOrEqual(LOGITS.data.byteLength);
    }
  });

  test('a field behind both lets both wait', async () => {
    const { header, streamed } = await readPair(...inMsgpack({ reference: REFERENCE, logits: LOGITS, label: LABEL }));
    expect(header.streamed.name).toBe('logits');
    expect(streamed.equals(LOGITS.data)).toBe(true);
    expect(Buffer.from(header.before[0]!.data!).equals(REFERENCE.data)).toBe(true);
    expect(header.fields['label']).toBeDefined();
  });

  test('in JSON logits stream, in whatever order they come', async () => {
    for (const fields of [
      { logits: LOGITS, reference: REFERENCE },
      { reference: REFERENCE, logits: LOGITS },
    ]) {
      const { header, streamed } = await readPair(...inJson(fields));
      expect([header.streamed.name, header.before[0]!.name]).toEqual(['logits', 'reference']);
      expect(streamed.equals(LOGITS.data)).toBe(true);
      expect(Buffer.from(header.before[0]!.data!).equals(REFERENCE.data)).toBe(true);
    }
  });

  test('a map of tensors in the place of one is its parts', async () => {
    const reference = { indices: [[1, 0]], logprobs: [[-0.5, -1.25]] };
    for (const [body, type] of [
      inMsgpack({ reference, logits: LOGITS }),
      [Buffer.from(JSON.stringify({ logits: [[1, 2]], reference })), 'application/json'] as const,
    ]) {
      const { header } = await readPair(body, type);
      expect(header.fields).toMatchObject({
        'reference.indices': reference.indices,
        'reference.logprobs': reference.logprobs,
      });
    }
    const wrong = inMsgpack({ reference: { indices: [[1]], logprob: [[1]] }, logits: LOGITS });
    await expect(readPair(...wrong)).rejects.toThrow('unknown key "logprob" in reference, did you mean logprobs?');
  });
});
