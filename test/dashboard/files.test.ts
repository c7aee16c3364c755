import { describe, expect, test } from 'vitest';
import { parseOptions } from '../../dashboard/src/files/options.ts';
import { UnreadableFileError } from '../../dashboard/src/files/unreadable-file.ts';
import { readArchive } from '../../dashboard/src/files/zip.ts';
import { DEFLATED, STORED } from '../browser/numpy-files.ts';

describe('an archive', () => {
  const read = (bytes: Uint8Array) => readArchive(new File([Buffer.from(bytes)], 'batch.npz'));
  const entryAt = STORED.indexOf('PK\u0001\u0002', 0, 'latin1');

  test.each([
    ['stored', STORED],
    ['deflated', DEFLATED],
  ])('that is %s holds its arrays', async (_name, bytes) => {
    const files = await read(bytes);
    expect([...files].map(([name, { size }]) => [name, size])).toEqual([
      ['logits.npy', 152],
      ['label.npy', 152],
    ]);
  });

  test.each([
    ['name', 28],
    ['extra field', 30],
  ])('whose %s is longer than its directory is unreadable', async (_name, offset) => {
    const damaged = Buffer.from(STORED);
    damaged.writeUInt16LE(60_000, entryAt + offset);
    await expect(read(damaged)).rejects.toThrow('batch.npz cannot be read: its central directory is damaged');
  });

  test('with damaged compressed data is unreadable', async () => {
    const damaged = Buffer.from(DEFLATED);
    damaged.fill(0xff, damaged.indexOf('logits.npy') + 30, damaged.indexOf('logits.npy') + 80);
    const error = await read(damaged).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(UnreadableFileError);
    expect(String(error)).toContain('logits.npy cannot be decompressed');
  });

  test('is read, or is unreadable, whichever byte is damaged', async () => {
    const others: unknown[] = [];
    for (let at = entryAt; at < STORED.length; at++) {
      const damaged = Buffer.from(STORED);
      damaged[at]! ^= 0xff;
      const error = await read(damaged).catch((error: unknown) => error);
      if (error instanceof Error && !(error instanceof UnreadableFileError)) others.push({ at, error });
    }
    expect(others).toEqual([]);
  });
});

describe('the options of a file', () => {
  test('are an object as JSON', () => {
    expect(parseOptions('{"label_smoothing":0.1}', 'a')).toEqual({ label_smoothing: 0.1 });
  });

  test.each([undefined, 'null', '{}'])('are none with %s', (text) => {
    expect(parseOptions(text, 'a')).toEqual({});
  });

  test.each(['[]', '1', '{'])('are not %s', (text) => {
    expect(() => parseOptions(text, 'a')).toThrow(UnreadableFileError);
  });
});
