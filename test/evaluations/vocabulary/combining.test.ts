import { afterAll, expect, test } from 'vitest';
import { Combining } from '../../../src/evaluations/vocabulary/combining.ts';
import { VOCABULARY_SHARD } from '../../../src/evaluations/vocabulary/shard.ts';
import { HeldBytes } from '../../../src/wire/body/held-bytes.ts';
import { jsonCodec } from '../../../src/wire/json/codec.ts';
import { encodeReply } from '../../../src/wire/media-types.ts';
import type { Codec } from '../../../src/wire/request.ts';
import { evaluated } from '../planned.ts';

const CLASSES = 4;
const combining = new Combining();
afterAll(() => combining.close());

/** JSON body with the partials of two shards of a batch, whose logits are all 0. */
async function partialsOf(rows: number): Promise<Uint8Array> {
  const texts: string[] = [];
  const label = { dtype: 'int32', shape: [rows], data: new Uint8Array(4 * rows) };
  const zeros = Array.from({ length: rows }, () => Array.from({ length: CLASSES }, () => 0));
  for (const start of [0, CLASSES]) {
    const fields = { label, vocab_start: start, vocab_size: 2 * CLASSES };
    const { answer } = await evaluated(VOCABULARY_SHARD, zeros, fields);
    texts.push([...encodeReply(answer, 'application/json', { numpyArrays: false })].join(''));
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
  // A large body is transferred to the thread, and its memory is accounted as held.
  expect([whole.byteLength === 0, heldBytes.held > 0]).toEqual(rows > 100 ? [true, true] : [false, false]);
});

test('more than may be held is refused before a thread has it', async () => {
  const held = new HeldBytes(1000).open();
  const whole = await partialsOf(4000);
  const combined = combining.combine(whole, jsonCodec as Required<Codec>, { held, maxDepth: 64 });
  await expect(combined).rejects.toMatchObject({ code: 'body_too_large' });
  expect(whole.byteLength).toBeGreaterThan(0);
});
