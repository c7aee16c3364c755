import { Readable } from 'node:stream';
import { Packr } from 'msgpackr';
import { afterAll, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import { KernelPool } from '../../../src/engine/pool.ts';
import { Combining } from '../../../src/evaluations/vocabulary/combining.ts';
import { VOCABULARY_SHARD } from '../../../src/evaluations/vocabulary/shard.ts';
import { Evaluator } from '../../../src/pipeline/evaluator.ts';
import { HeldBytes } from '../../../src/wire/body/held-bytes.ts';
import { jsonCodec } from '../../../src/wire/json/codec.ts';
import { encodeReply } from '../../../src/wire/media-types.ts';
import { msgpackCodec } from '../../../src/wire/msgpack/codec.ts';
import type { Codec } from '../../../src/wire/request.ts';

const CLASSES = 4;
const packr = new Packr({ useRecords: false, variableMapSize: true });
const slabs = { slabBytes: 2 ** 16, maxRowBytes: 2 ** 20, maxSlabBytes: 2 ** 24 };
const pool = new KernelPool({ workers: 1, kernel: 'strict', inlineLogits: 2 ** 20, ...slabs });
const config = loadConfig({ LOSSMETER_STORE: ':memory:' });
const evaluator = new Evaluator(pool, { ...config, maxHeldBytes: 2 ** 26 });
const combining = new Combining();
afterAll(() => Promise.all([combining.close(), evaluator.close(), pool.close()]));

/** A JSON body with the partials of two shards of a batch of so many rows, all logits 0. */
async function partialsOf(rows: number): Promise<Uint8Array> {
  const texts: string[] = [];
  for (const start of [0, CLASSES]) {
    const bytes = packr.pack({
      ...{ vocab_start: start, vocab_size: 2 * CLASSES },
      label: { dtype: 'int32', shape: [rows], data: new Uint8Array(4 * rows) },
      logits: { dtype: 'float32', shape: [rows, CLASSES], data: new Uint8Array(4 * rows * CLASSES) },
    });
    const body = {
      stream: Readable.from([bytes]),
      codec: msgpackCodec,
      contentEncoding: undefined,
      contentLength: bytes.byteLength,
    };
    const { answer, release } = await evaluator.evaluate(VOCABULARY_SHARD, body);
    texts.push([...encodeReply(answer, 'application/json', { numpyArrays: false })].join(''));
    release();
  }
  return Uint8Array.from(Buffer.from(`{"partials":[${texts.join(',')}]}`));
}

test.each([
  ['a small body, where it is', 4],
  ['a large one, on a thread', 4000],
])('%s, is combined to the loss of whole rows', async (_what, rows) => {
  const heldBytes = new HeldBytes(2 ** 28);
  const held = heldBytes.open();
  const whole = await partialsOf(rows);
  const { loss, rows: counts } = await combining.combine(whole, jsonCodec as Required<Codec>, { held, maxDepth: 64 });
  // mindformers adds 1e-8 to the denominator.
  expect(loss).toBeCloseTo((rows * Math.log(2 * CLASSES)) / (rows + 1e-8), 12);
  expect(counts.counted).toBe(rows);
  // A large body is moved to its thread, and its memory is on the account.
  expect([whole.byteLength === 0, heldBytes.held > 0]).toEqual(rows > 100 ? [true, true] : [false, false]);
});

test('more than may be held is refused before a thread has it', async () => {
  const held = new HeldBytes(1000).open();
  const whole = await partialsOf(4000);
  const combined = combining.combine(whole, jsonCodec as Required<Codec>, { held, maxDepth: 64 });
  await expect(combined).rejects.toMatchObject({ code: 'body_too_large' });
  expect(whole.byteLength).toBeGreaterThan(0);
});
