import { describe, expect, test } from 'vitest';
import { Base64Decoder, bytesOfBase64 } from '../../../src/wire/tensors/base64.ts';

const BYTES = Buffer.from(Array.from({ length: 256 }, (_, k) => k));

describe('text is read', () => {
  test.each([0, 1, 2, 3, 4, 57, 255, 256])('of %d bytes, padded or not, in either alphabet', (length) => {
    const bytes = BYTES.subarray(0, length);
    for (const text of [
      bytes.toString('base64'),
      bytes.toString('base64').replaceAll('=', ''),
      bytes.toString('base64url'),
    ]) {
      expect(Buffer.from(bytesOfBase64(text) as Uint8Array)).toEqual(bytes);
    }
  });

  test.each([
    ['lines of MIME', (text: string) => text.replaceAll(/.{76}/g, '$&\r\n')],
    ['a final newline', (text: string) => `${text}\n`],
    ['white space everywhere', (text: string) => ` \t${text.split('').join(' \n')}\n \n`],
  ])('with %s', (_name, change) => {
    for (const length of [254, 255, 256]) {
      const bytes = BYTES.subarray(0, length);
      expect(Buffer.from(bytesOfBase64(change(bytes.toString('base64'))) as Uint8Array)).toEqual(bytes);
    }
  });
});

describe('text is refused', () => {
  test.each([
    ['AAAA*A==', 'character 4 is "*"'],
    ['AA\nAA\n"AA', 'character 6 is "\\""'],
    ['AAA=AAAA', 'character 3 is "="'],
    ['A===', 'character 1 is "="'],
    ['AAAAA', '5 characters are not a whole number of bytes'],
    ['AAAA\nA', '5 characters are not a whole number of bytes'],
    ['data:application/octet-stream;base64,AAAA', 'it begins with "data:"'],
    ['\nDATA:;base64,AAAA', 'it begins with "data:"'],
    ['AA\u0000A', 'character 2 is U+0000; to send raw bytes in MessagePack'],
    ['!A\u0000A', 'character 0 is "!"; to send raw bytes in MessagePack'],
    [
      '\uFFFDAAA',
      'character 0 is U+FFFD; to send raw bytes in MessagePack, encode them as bin and not as str (use_bin_type=True)',
    ],
  ])('%j: %s', (text, fault) => {
    expect(bytesOfBase64(text)).toEqual({ fault: expect.stringContaining(fault) });
  });

  test('of nothing but padding, however long it is', () => {
    expect(bytesOfBase64(`${'='.repeat(2 ** 22)}*`)).toEqual({ fault: 'character 0 is "="' });
    expect(bytesOfBase64('\n'.repeat(2 ** 22))).toEqual(new Uint8Array(0));
  });
});

/** Decodes a text in chunks of the given length. @returns its bytes, or its fault */
function decode(text: string, chunkBytes: number): Buffer | string {
  const decoder = new Base64Decoder();
  const bytes = Buffer.from(text);
  const parts = [];
  for (let at = 0; at < bytes.byteLength; at += chunkBytes)
    parts.push(decoder.push(bytes.subarray(at, at + chunkBytes)));
  parts.push(decoder.end());
  return decoder.fault ?? Buffer.concat(parts);
}

describe('in chunks of any size', () => {
  const sizes = [1, 2, 3, 4, 5, 7, 64, 1000];

  test('the same bytes are read', () => {
    for (const length of [0, 1, 2, 3, 254, 255, 256]) {
      const bytes = BYTES.subarray(0, length);
      for (const text of [bytes.toString('base64'), bytes.toString('base64url'), ` ${bytes.toString('base64')}\n`]) {
        const spaced = text.replaceAll(/.{5}/g, '$&\n ');
        for (const size of sizes) expect([decode(text, size), decode(spaced, size)]).toEqual([bytes, bytes]);
      }
    }
  });

  test.each([
    ['AAAA*A==', 'character 4 is "*"'],
    ['AAA=A', 'character 3 is "="'],
    ['AA= =\n=', 'character 2 is "="'],
    ['AAAA\nA', '5 characters are not a whole number of bytes'],
    [' data:;base64,AAAA', 'it begins with "data:", expected only the base64 text after the comma of the data URL'],
  ])('%j: %s', (text, fault) => {
    for (const size of sizes) expect(decode(text, size)).toBe(fault);
  });
});
