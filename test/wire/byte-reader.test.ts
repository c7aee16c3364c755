import { PassThrough, Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { ByteReader } from '../../src/wire/byte-reader.ts';
import { HeldBytes, HeldRuns } from '../../src/wire/held-bytes.ts';

const bytes = (n: number): Uint8Array => Uint8Array.from({ length: n }, (_, k) => k & 255);

async function collect(reader: ByteReader, n: number): Promise<Buffer> {
  const runs: Uint8Array[] = [];
  await reader.forward(n, 'test', (run) => {
    runs.push(Buffer.from(run));
  });
  return Buffer.concat(runs);
}

test('hands on exactly the bytes asked for, across chunks', async () => {
  const all = bytes(1000);
  const chunks = [all.subarray(0, 3), all.subarray(3, 500), all.subarray(500)];
  const reader = new ByteReader(Readable.from(chunks), 1000);
  expect(await collect(reader, 2)).toEqual(Buffer.from(all.subarray(0, 2)));
  expect(await collect(reader, 700)).toEqual(Buffer.from(all.subarray(2, 702)));
  expect((await reader.peek())?.[0]).toBe(all[702]);
  expect(await collect(reader, 298)).toHaveLength(298);
  expect(await reader.peek()).toBeUndefined();
  expect(reader.received).toBe(1000);
});

test('knows the first bytes, however they were cut', async () => {
  for (const size of [1, 100, 1000]) {
    const chunks = Array.from({ length: 1000 / size }, (_, k) => bytes(1000).subarray(k * size, (k + 1) * size));
    const reader = new ByteReader(Readable.from(chunks), 1000);
    await collect(reader, 1000);
    expect(Buffer.from(reader.beginning)).toEqual(Buffer.from(bytes(128)));
  }
});

test('a stream that ends early is truncated, with what was announced and what came', async () => {
  const reader = new ByteReader(Readable.from([bytes(5)]), 100);
  await expect(collect(reader, 9)).rejects.toMatchObject({
    code: 'truncated_body',
    message: 'the body ends within test: 9 bytes were announced, 5 came',
  });
});

test('a stream that fails or closes hands its failure on', async () => {
  for (const error of [new Error('reset'), undefined]) {
    const stream = new PassThrough();
    const reader = new ByteReader(stream, 100);
    stream.write(bytes(3));
    const read = collect(reader, 9);
    setImmediate(() => stream.destroy(error));
    await expect(read).rejects.toMatchObject({ code: 'client_closed', cause: error });
  }
});

test('more than the bound is refused when it comes', async () => {
  const reader = new ByteReader(Readable.from([bytes(60), bytes(60)]), 100);
  await expect(collect(reader, 120)).rejects.toMatchObject({ code: 'body_too_large' });
});

describe('memory', () => {
  /** Chunks that are the whole of their memory, as those of a socket are. */
  const chunks = (): Uint8Array[] => [bytes(10), bytes(65_536), bytes(65_536)];

  test('of what is forwarded is freed once it is written, and not before', async () => {
    const all = chunks();
    const reader = new ByteReader(Readable.from(all), Infinity);
    const lengths: number[] = [];
    await reader.forward(10 + 2 * 65_536, 'test', async (run) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      lengths.push(run.byteLength);
    });
    expect(lengths).toEqual([10, 65_536, 65_536]);
    expect(all.map(({ byteLength }) => byteLength)).toEqual([0, 0, 0]);
  });

  test('of a chunk that others may hold a part of is not freed', async () => {
    const reader = new ByteReader(Readable.from([bytes(100)]), Infinity);
    const first = (await reader.peek())!.subarray(0, 40);
    reader.skip(40);
    await reader.forward(60, 'test', () => undefined);
    expect(first).toEqual(bytes(100).subarray(0, 40));
  });

  test('of what is held is kept where it is large, and copied and freed where it is not', async () => {
    const all = chunks();
    const reader = new ByteReader(Readable.from(all), Infinity);
    const account = new HeldBytes(2 ** 20).open();
    const held = new HeldRuns(account, 'test', 'none');
    await reader.hold(10 + 2 * 65_536, 'test', held);
    expect(all.map(({ byteLength }) => byteLength)).toEqual([0, 65_536, 65_536]);
    expect(held.concat()).toEqual(Buffer.concat(chunks()));
    account.close();
    expect(all.map(({ byteLength }) => byteLength)).toEqual([0, 0, 0]);
  });
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
    expect(await collect(reader, 100 * 65_536)).toHaveLength(100 * 65_536);
  });

  test('waits for the writer', async () => {
    const reader = new ByteReader(Readable.from([bytes(10), bytes(10)]), 100);
    let busy = false;
    await reader.forward(20, 'test', async () => {
      expect(busy).toBe(false);
      busy = true;
      await new Promise((resolve) => setTimeout(resolve, 2));
      busy = false;
    });
  });
});
