/** The path of a request without HTTP: real kernels, real codecs, bodies as streams. */
import { Readable } from 'node:stream';
import { setTimeout as sleep, setImmediate as nextTurn } from 'node:timers/promises';
import { Packr } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/environment.ts';
import { KernelPool } from '../../src/engine/pool.ts';
import { CROSS_ENTROPY } from '../../src/evaluations/cross-entropy/cross-entropy.ts';
import { recordingOf } from '../../src/evaluations/cross-entropy/recording.ts';
import { DIAGNOSIS } from '../../src/evaluations/diagnosis/diagnosis.ts';
import type { Kind, Plan } from '../../src/evaluations/kind.ts';
import { VOCABULARY_SHARD } from '../../src/evaluations/vocabulary/shard.ts';
import { Evaluator } from '../../src/pipeline/evaluator.ts';
import type { RequestBody } from '../../src/pipeline/body.ts';
import { jsonCodec } from '../../src/wire/json/codec.ts';
import { msgpackCodec } from '../../src/wire/msgpack/codec.ts';
import { TIMED } from '../timed.ts';

const packr = new Packr({ useRecords: false, variableMapSize: true });
const [ROWS, CLASSES] = [64, 4096];
const LOGITS = { dtype: 'float32', shape: [ROWS, CLASSES], data: new Uint8Array(4 * ROWS * CLASSES) };
const LABEL = { dtype: 'int32', shape: [ROWS], data: new Uint8Array(4 * ROWS) };
const SMALL = { label: [0, 1], logits: [[1, 2], [3, 5]] }; // prettier-ignore
const RECORDED = { run: 'r', step: 1, rank: 0, microBatch: 0, attempt: 0 };

let pool: KernelPool;
let evaluator: Evaluator;

beforeAll(async () => {
  const slabs = { slabBytes: 2 ** 16, maxRowBytes: 2 ** 20, maxSlabBytes: 2 ** 24 };
  pool = new KernelPool({ workers: 1, kernel: 'auto', inlineLogits: 1024, ...slabs });
  const config = loadConfig({ LOSSMETER_STORE: ':memory:' });
  evaluator = new Evaluator(pool, { ...config, maxElements: 2 ** 20, maxHeldBytes: 2 ** 24 });
  await evaluator.ready();
});
afterAll(async () => {
  await Promise.all([evaluator.close(), pool.close()]);
});

/** A body whose first bytes have already arrived, like the body of a socket. */
function bodyOf(request: object, more: Partial<RequestBody> = {}): RequestBody {
  const codec = more.codec ?? msgpackCodec;
  const bytes = codec === jsonCodec ? Buffer.from(JSON.stringify(request)) : packr.pack(request);
  return { stream: streamOf([bytes]), codec, contentEncoding: undefined, contentLength: bytes.byteLength, ...more };
}

function streamOf(chunks: readonly Uint8Array[]): Readable {
  const stream = new Readable({ read: () => undefined });
  for (const chunk of chunks) stream.push(Uint8Array.from(chunk));
  return stream;
}

/** Expects that no memory is held, no slab is in use, and no request is in progress. */
async function expectNothingLeft(): Promise<void> {
  // The replacement of a lost worker takes a while, and blocks wait for it.
  for (const end = performance.now() + 5000; pool.slabs.bytesInUse > 0 && performance.now() < end;) await sleep(5);
  expect([evaluator.heldBytes, pool.slabs.bytesInUse, evaluator.admission.inFlight]).toEqual([0, 0, 0]);
}

describe.each([
  ['cross-entropy', CROSS_ENTROPY, SMALL],
  ['a diagnosis', DIAGNOSIS, { logits: SMALL.logits }],
  ['a shard', VOCABULARY_SHARD, { ...SMALL, vocab_start: 0, vocab_size: 2 }],
  ['a recording', recordingOf(RECORDED), SMALL],
  ['a pair', recordingOf(RECORDED), { numerator: 3, denominator: 2 }],
] as [string, Kind<Plan, object>, object][])('%s', (_name, kind, request) => {
  test.each([msgpackCodec, jsonCodec])(
    'of a small body that has come is answered in one turn, $name',
    // A turn ends after some milliseconds. Code that is not yet compiled may exceed them under load.
    TIMED,
    async (codec) => {
      let turns = 0;
      const count = (): void => {
        turns++;
        counting = setImmediate(count);
      };
      let counting = setImmediate(count);
      const { answer, release } = await evaluator.evaluate(kind, bodyOf(request, { codec }));
      clearImmediate(counting);
      release();
      expect(turns).toBe(0);
      expect(Object.keys(answer).length).toBeGreaterThan(0);
      await expectNothingLeft();
    },
  );
});

test('a large batch is evaluated by workers, and its memory is given back when its answer is sent', async () => {
  const answered = evaluator.evaluate(CROSS_ENTROPY, bodyOf({ label: LABEL, logits: LOGITS }));
  expect(answered).toBeInstanceOf(Promise);
  const { answer, timings, release } = await answered;
  expect(answer.loss).toBeCloseTo(Math.log(CLASSES), 6);
  expect(timings.compute).toBeGreaterThan(0);
  expect(evaluator.heldBytes).toBeGreaterThan(0);
  expect(evaluator.admission.inFlight).toBe(0);
  release();
  await expectNothingLeft();
});

describe('a request that fails leaves nothing', () => {
  const whole = packr.pack({ label: LABEL, logits: LOGITS });
  test.each<[string, string, () => RequestBody]>([
    ['is cut off', 'truncated_body', () => ({ ...bodyOf({}), stream: Readable.from([whole.subarray(0, 300_000)]), contentLength: undefined })], // prettier-ignore
    ['has bytes behind it', 'malformed_body', () => ({ ...bodyOf({}), stream: Readable.from([whole, Buffer.of(0)]), contentLength: undefined })], // prettier-ignore
    ['has too many elements', 'body_too_large', () => bodyOf({ label: LABEL, logits: { ...LOGITS, shape: [2 ** 10, 2 ** 11], data: new Uint8Array(2 ** 23) } })], // prettier-ignore
    ['has an unknown option', 'invalid_option', () => bodyOf({ ...SMALL, options: { reductoin: 'sum' } })],
    ['has no label', 'missing_field', () => bodyOf({ logits: SMALL.logits })],
    ['has an unknown encoding', 'unsupported_content_encoding', () => bodyOf(SMALL, { contentEncoding: 'lzma' })],
    ['announces too many bytes', 'body_too_large', () => bodyOf(SMALL, { contentLength: 2 ** 50 })],
  ])('when its body %s', async (_what, code, make) => {
    await expect((async () => evaluator.evaluate(CROSS_ENTROPY, make()))()).rejects.toMatchObject({ code });
    await expectNothingLeft();
  });

  test('when the client leaves while it is sent', async () => {
    const stream = streamOf([whole.subarray(0, 500_000)]);
    const answered = evaluator.evaluate(CROSS_ENTROPY, { ...bodyOf({}), stream, contentLength: whole.byteLength });
    await nextTurn();
    expect(evaluator.admission.inFlight).toBe(1);
    stream.destroy();
    await expect(answered).rejects.toMatchObject({ code: 'client_closed' });
    await expectNothingLeft();
  });

  test('when a worker is lost meanwhile', async () => {
    const stream = streamOf([whole.subarray(0, 500_000)]);
    const answered = evaluator.evaluate(CROSS_ENTROPY, { ...bodyOf({}), stream, contentLength: whole.byteLength });
    await nextTurn();
    await pool.threads[0]!.terminate();
    stream.push(whole.subarray(500_000));
    // The block may have been evaluated before.
    await Promise.resolve(answered).then(({ release }) => release()).catch((error: unknown) => expect(error).toMatchObject({ code: 'worker_lost' })); // prettier-ignore
    await expectNothingLeft();
  });
});

test('a plain value takes no place of an evaluation', async () => {
  const value = await evaluator.readValue(bodyOf({ labels: { lr: '0.1' } }), (read) => {
    expect(evaluator.admission.inFlight).toBe(0);
    return read;
  });
  expect(value).toEqual({ labels: { lr: '0.1' } });
  await expectNothingLeft();
});
