import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { HeldBytes } from '../../../src/wire/body/held-bytes.ts';
import type { HeldBytesAccount } from '../../../src/wire/body/held-bytes.ts';
import { readValue } from '../../../src/wire/msgpack/value.ts';
import { decodeAll } from '../decoding.ts';

const packr = new Packr({ useRecords: false, variableMapSize: true });

const BYTES = Buffer.from(Array.from({ length: 100_000 }, (_, k) => (k * k) % 251));
const TEXT = BYTES.toString('base64');

function valueOf(chunks: readonly Uint8Array[], account: HeldBytesAccount, what: string): unknown {
  return decodeAll((bytes) => readValue(bytes, account, what), chunks).result;
}

/** Reads a value in chunks of the given size, as the field of a request. */
function read(value: unknown, what = 'label', chunkBytes = 65_536): unknown {
  const packed = packr.pack(value);
  const chunks = Array.from({ length: Math.ceil(packed.byteLength / chunkBytes) }, (_, k) =>
    // Each chunk owns its whole memory, like the chunks of a socket.
    Uint8Array.from(packed.subarray(k * chunkBytes, (k + 1) * chunkBytes)),
  );
  const account = new HeldBytes(2 ** 24).open();
  try {
    return valueOf(chunks, account, what);
  } finally {
    account.close();
  }
}

describe('a long text of a tensor is read as the bytes of its base64', () => {
  test.each([1000, 1021, 65_536, 2 ** 24])('in chunks of %d bytes', (chunkBytes) => {
    const data = (text: string) => ({ dtype: 'uint8', data: text, shape: [BYTES.byteLength] });
    for (const text of [TEXT, TEXT.replaceAll(/.{76}/g, '$&\r\n'), ` ${TEXT}\n`]) {
      expect(read(data(text), 'label', chunkBytes)).toEqual(data(BYTES as unknown as string));
      expect(read([text, 'short', text], 'input_mask', chunkBytes)).toEqual([BYTES, 'short', BYTES]);
      expect(read(text, 'logits.data', chunkBytes)).toEqual(BYTES);
    }
  });

  test('with keys that are bin, as msgpack-numpy writes them', () => {
    const array = new Map<unknown, unknown>([
      [Buffer.from('nd'), true],
      [Buffer.from('data'), TEXT],
    ]);
    expect(read(array)).toEqual({ nd: true, data: BYTES });
  });

  test('of white space alone', () => {
    expect(read(' '.repeat(1_000_000), 'logits.data')).toEqual(new Uint8Array(0));
  });
});

describe('a long text is refused', () => {
  test('that is not base64, with its place', () => {
    const text = `${TEXT.slice(0, 90_000)}*${TEXT.slice(90_000)}`;
    const detail = 'weight.data is text that is not base64: character 90000 is "*"';
    expect(() => read({ data: text }, 'weight')).toThrow(detail);
    expect(() => read(text, 'logits.data')).toThrow(detail.replace('weight', 'logits'));
    expect(() => read({ data: text }, 'reference.logprobs')).toThrow(detail.replace('weight', 'reference.logprobs'));
    expect(() => read({ data: TEXT.slice(0, 70_001) }, 'weight')).toThrow('70001 characters are not a whole number');
  });

  test.each(['options', 'a field name', 'logits.dtype'])('that is no tensor: %s', (what) => {
    expect(() => read(TEXT, what)).toThrow(`${what} contains a text of ${TEXT.length} bytes, expected at most 65535`);
  });

  test('within which the body ends', () => {
    const packed = packr.pack(TEXT);
    const account = new HeldBytes(2 ** 24).open();
    expect(() => valueOf([packed.subarray(0, 80_000)], account, 'label')).toThrow(
      'the body ends within a text of label',
    );
  });
});
