import { PassThrough, Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { ByteReader } from '../../../src/wire/body/byte-reader.ts';

const bytes = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, k) => k & 255);

/** The next chunk. */
async function next(reader: ByteReader): Promise<Uint8Array | undefined> {
  await reader.more();
  const chunk = reader.here;
  if (chunk !== undefined) reader.skip(chunk.byteLength);
  return chunk;
}

/** All bytes up to the end. */
async function collect(reader: ByteReader): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for (let chunk = await next(reader); chunk !== undefined; chunk = await next(reader)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('shows chunk after chunk, and what is left of one', async () => {
  const all = bytes(1000);
  const reader = new ByteReader(Readable.from([all.subarray(0, 3), all.subarray(3)]), 1000);
  expect(reader.here).toBeUndefined();
  await reader.more();
  reader.skip(2);
  expect(reader.here).toEqual(all.subarray(2, 3));
  reader.skip(1);
  expect(await next(reader)).toEqual(all.subarray(3));
  expect(await next(reader)).toBeUndefined();
  expect([reader.ended, reader.received]).toEqual([true, 1000]);
});

test('knows the first bytes, however they were cut', async () => {
  for (const size of [1, 100, 1000]) {
    const chunks = Array.from({ length: 1000 / size }, (_, k) => bytes(1000).subarray(k * size, (k + 1) * size));
    const reader = new ByteReader(Readable.from(chunks), 1000);
    await collect(reader);
    expect(Buffer.from(reader.beginning)).toEqual(Buffer.from(bytes(128)));
  }
});

test('a stream that fails or closes hands its failure on', async () => {
  for (const error of [new Error('reset'), undefined]) {
    const stream = new PassThrough();
    const reader = new ByteReader(stream, 100);
    stream.write(bytes(3));
    const read = collect(reader);
    setImmediate(() => stream.destroy(error));
    await expect(read).rejects.toMatchObject({ code: 'client_closed', cause: error });
  }
});

test('more than the bound is refused when it comes', async () => {
  const reader = new ByteReader(Readable.from([bytes(60), bytes(60)]), 100);
  await expect(collect(reader)).rejects.toMatchObject({ code: 'body_too_large' });
});

describe('back-pressure', () => {
  test('a reader that does not read pauses the stream, and one that does resumes it', async () => {
    let produced = 0;
    const stream = new Readable({
      highWaterMark: 65_536,
      read() {
        produced += 65_536;
        this.push(produced > 100 * 65_536 ? null : bytes(65_536));
      },
    });
    const reader = new ByteReader(stream, Infinity);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(stream.isPaused()).toBe(true);
    expect(produced).toBeLessThan(3 << 20);
    expect(await collect(reader)).toHaveLength(100 * 65_536);
  });
});

test('the end need not be waited for where the length is known', async () => {
  const stream = new PassThrough();
  const reader = new ByteReader(stream, 1000, { length: 5 });
  stream.write(bytes(3));
  await reader.more();
  reader.skip(3);
  expect(reader.ended).toBe(false);
  stream.write(bytes(2));
  await reader.more();
  reader.skip(2);
  expect(reader.ended).toBe(true);
  stream.destroy();
  await reader.more();
  expect(new ByteReader(new PassThrough(), 1000, { length: 0 }).ended).toBe(true);
});

test('a failure is no end, whichever comes first', async () => {
  const tooLong = new PassThrough();
  const first = new ByteReader(tooLong, 5);
  tooLong.end(bytes(9));
  await expect(first.more()).rejects.toMatchObject({ code: 'body_too_large' });
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(first.ended).toBe(false);
  await expect(first.more()).rejects.toMatchObject({ code: 'body_too_large' });

  const left = new PassThrough();
  const second = new ByteReader(left, 1000, { length: 3 });
  left.write(bytes(3));
  await second.more();
  left.destroy(new Error('reset'));
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect([second.here, second.ended]).toEqual([undefined, false]);
  await expect(second.more()).rejects.toMatchObject({ code: 'client_closed' });
});
