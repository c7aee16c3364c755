import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { LossmeterError } from '../../src/errors.ts';
import type { Place } from '../../src/pipeline/admission/admission.ts';
import { OpenBody } from '../../src/pipeline/body.ts';
import { HeldBytes } from '../../src/wire/body/held-bytes.ts';
import { msgpackCodec } from '../../src/wire/msgpack/codec.ts';

const LIMITS = { maxBodyBytes: 2 ** 20, maxDecompressionRatio: 200 };

/** Opens a body. @returns it with its place and its memory */
function open(bytes: Uint8Array, contentEncoding?: string) {
  const heldBytes = new HeldBytes(2 ** 20);
  const held = heldBytes.open();
  held.take(100, 'a test', '');
  let left = 0;
  const place = { isSlow: false, watch: () => undefined, leave: () => void left++ } as unknown as Place;
  const make = (): OpenBody =>
    new OpenBody(
      { stream: Readable.from([bytes]), codec: msgpackCodec, contentEncoding, contentLength: bytes.byteLength },
      LIMITS,
      { held, place },
    );
  return { make, left: () => left, held: () => heldBytes.held };
}

test('a body that is closed without an answer gives its memory and its place back', () => {
  const { make, left, held } = open(Buffer.from('x'));
  make().close();
  expect([left(), held()]).toEqual([1, 0]);
});

test('the memory of an answer is given back by its release, once', () => {
  const { make, left, held } = open(Buffer.from('x'));
  const body = make();
  const release = body.handOver();
  body.close();
  expect([left(), held()]).toEqual([1, 100]);
  release();
  release();
  expect(held()).toBe(0);
});

test('an encoding that is refused gives memory and place back', () => {
  const { make, left, held } = open(Buffer.from('x'), 'lzma');
  expect(make).toThrow('lzma');
  expect([left(), held()]).toEqual([1, 0]);
});

test('the announced length is that of a body without an encoding alone', () => {
  expect(open(Buffer.from('abc')).make().contentLength).toBe(3);
  expect(open(gzipSync('abc'), 'gzip').make().contentLength).toBeUndefined();
});

test('an error of a body that is a file of another kind names that kind', async () => {
  const body = open(Buffer.from('PK\u0003\u0004archive')).make();
  await body.reader.more();
  const wrong = new LossmeterError('malformed_body', 'no map');
  expect((body.explain(wrong) as Error).message).toMatch(/^the body is .*(zip|PyTorch|numpy)/i);
  const other = new LossmeterError('invalid_option', 'unknown');
  expect(body.explain(other)).toBe(other);
});

test('files that cannot be closed fail the request, and leave nothing', async () => {
  const { make, left, held } = open(Buffer.from('x'));
  const body = make();
  body.handOver();
  await expect(body.closeAfter(Promise.reject(new Error('EIO')))).rejects.toThrow('EIO');
  expect([left(), held()]).toEqual([1, 0]);
});
