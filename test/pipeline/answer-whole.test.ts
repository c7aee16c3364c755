import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { Admission } from '../../src/pipeline/admission/admission.ts';
import { Doorway } from '../../src/pipeline/admission/doorway.ts';
import { answerWhole } from '../../src/pipeline/answer-whole.ts';
import { runWaiting } from '../../src/waiting.ts';
import { HeldBytes } from '../../src/wire/body/held-bytes.ts';
import { jsonCodec } from '../../src/wire/json/codec.ts';

const admission = new Admission({
  maxRequestsInFlight: 2,
  maxQueuedRequests: 0,
  stallSeconds: 10,
  minBytesPerSecond: 1,
});
const held = new HeldBytes(1000);
const doorway = new Doorway(admission, held, { maxBodyBytes: 2 ** 20, maxDecompressionRatio: 200 });

async function answer<A>(chunks: string[], make: (text: string) => A | Promise<A>, maxBytes = 100) {
  const stream = Readable.from(chunks.map((chunk) => Buffer.from(chunk)));
  const request = { stream, codec: jsonCodec, contentEncoding: undefined, contentLength: undefined };
  return runWaiting(
    answerWhole(request, doorway, { maxBytes, answer: (whole) => make(Buffer.from(whole).toString()) }),
  );
}

test('a body is answered once all of it has come; its memory stays with the answer', async () => {
  const { answer: text, release } = await answer(['ab', 'c'], (whole) => Promise.resolve(whole));
  expect(text).toBe('abc');
  expect([held.held > 0, admission.inFlight]).toEqual([true, 0]);
  release();
  expect(held.held).toBe(0);
});

test.each<[string, string[], () => string, string]>([
  ['a body that is too long', ['x'.repeat(101)], () => '', 'the body has more than 100 bytes'],
  ['an answer that fails', ['x'], () => { throw new Error('no answer'); }, 'no answer'], // prettier-ignore
])('%s leaves nothing', async (_what, chunks, make, says) => {
  await expect(answer(chunks, make)).rejects.toThrow(says);
  expect([held.held, admission.inFlight]).toEqual([0, 0]);
});
