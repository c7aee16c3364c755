import { Readable } from 'node:stream';
import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { ByteReader } from '../../src/wire/byte-reader.ts';
import { HeldBytes } from '../../src/wire/held-bytes.ts';
import { readValue } from '../../src/wire/msgpack-value.ts';

const packr = new Packr({ useRecords: false, variableMapSize: true });

const BYTES = Buffer.from(Array.from({ length: 100_000 }, (_, k) => (k * k) % 251));
const TEXT = BYTES.toString('base64');

/** Reads a value in chunks of the given size, as the field of a request. */
async function read(value: unknown, what = 'label', chunkBytes = 65_536): Promise<unknown> {
  const packed = packr.pack(value);
  const chunks = Array.from({ length: Math.ceil(packed.byteLength / chunkBytes) }, (_, k) =>
    // Each is the whole of its memory, as those of a socket are.
    Uint8Array.from(packed.subarray(k * chunkBytes, (k + 1) * chunkBytes)),
  );
  const account = new HeldBytes(2 ** 24).open();
  try {
    return await readValue(new ByteReader(Readable.from(chunks), 2 ** 30), account, what);
  } finally {
    account.close();
  }
}

describe('a long text of a tensor is read as the bytes of its base64', () => {
  test.each([1000, 1021, 65_536, 2 ** 24])('in chunks of %d bytes', async (chunkBytes) => {
    const data = (text: string) => ({ dtype: 'uint8', data: text, shape: [BYTES.byteLength] });
    for (const text of [TEXT, TEXT.replaceAll(/.{76}/g, '$&\r\n'), ` ${TEXT}\n`]) {
      expect(await read(data(text), 'label', chunkBytes)).toEqual(data(BYTES as unknown as string));
      expect(await read([text, 'short', text], 'input_mask', chunkBytes)).toEqual([BYTES, 'short', BYTES]);
      expect(await read(text, 'logits.data', chunkBytes)).toEqual(BYTES);
    }
  });

  test('with keys that are bin, as msgpack-numpy writes them', async () => {
    const array = new Map<unknown, unknown>([
      [Buffer.from('nd'), true],
      [Buffer.from('data'), TEXT],
    ]);
    expect(await read(array)).toEqual({ nd: true, data: BYTES });
  });

  test('of white space alone', async () => {
    expect(await read(' '.repeat(1_000_000), 'logits.data')).toEqual(new Uint8Array(0));
  });
});

describe('a long text is refused', () => {
  test('that is not base64, with its place', async () => {
    const text = `${TEXT.slice(0, 90_000)}*${TEXT.slice(90_000)}`;
    const detail = 'weight.data is text that is not base64: character 90000 is "*"';
    await expect(read({ data: text }, 'weight')).rejects.toThrow(detail);
    await expect(read({ data: TEXT.slice(0, 70_001) }, 'weight')).rejects.toThrow(
      '70001 characters are no whole number',
    );
  });

  test.each(['options', 'a field name', 'logits.dtype'])('that is no tensor: %s', async (what) => {
    await expect(read(TEXT, what)).rejects.toThrow(
      `${what} is or has a text of ${TEXT.length} bytes, expected at most 65535`,
    );
  });

  test('within which the body ends', async () => {
    const packed = packr.pack(TEXT);
    const reader = new ByteReader(Readable.from([packed.subarray(0, 80_000)]), 2 ** 30);
    await expect(readValue(reader, new HeldBytes(2 ** 24).open(), 'label')).rejects.toThrow(
      'the body ends within a text of label',
    );
  });
});
