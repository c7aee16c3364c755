import { expect, test } from 'vitest';
import { ZstdFrames } from '../../src/wire/zstd-frames.ts';

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
/** The last block: raw, without content. */
const END = [1, 0, 0];

/** What is found in the bytes, in chunks of the given size: lengths of the frames, and their windows. */
function find(bytes: readonly number[], chunkBytes: number): { lengths: number[]; windows: number[] } {
  const windows: number[] = [];
  const frames = new ZstdFrames((window) => windows.push(window));
  const lengths = [0];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = Uint8Array.from(bytes.slice(at, at + chunkBytes));
    let left = chunk.byteLength;
    for (const part of frames.split(chunk)) {
      lengths[lengths.length - 1]! += part.byteLength;
      left -= part.byteLength;
      if (left > 0) lengths.push(0);
    }
    expect(left, 'every byte is handed on').toBe(0);
  }
  return { lengths, windows };
}

const EIGHT = [0, 0, 0, 0, 0, 1, 0, 0];

test.each<[name: string, header: number[], window: number]>([
  ['a window of 1 KiB, the least', [0x00, 0x00], 1024],
  ['a window with a mantissa', [0x00, 0x5b], 2 ** 21 * (11 / 8)],
  ['the largest window', [0x00, 0xff], 2 ** 41 * (15 / 8)],
  ['a size of one byte as window', [0x20, 7], 7],
  ['a size of two bytes as window', [0x60, 1, 2], 256 + 0x201],
  ['a size of four bytes as window', [0xa0, 1, 2, 3, 4], 0x04030201],
  ['a size of eight bytes as window', [0xe0, ...EIGHT], 2 ** 40],
  ['a dictionary of one byte', [0x21, 9, 7], 7],
  ['a dictionary of two bytes', [0x22, 9, 9, 7], 7],
  ['a dictionary of four bytes, a window and a size', [0xc3, 0x08, 9, 9, 9, 9, ...EIGHT], 2048],
])('a frame with %s is found in any chunks', (_, header, window) => {
  const frame = [...MAGIC, ...header, ...END];
  for (const chunkBytes of [1, 2, 3, 5, 1000]) {
    const { windows } = find([...frame, ...frame], chunkBytes);
    expect(windows).toEqual([window, window]);
  }
  expect(find([...frame, ...frame], 1000).lengths).toEqual([frame.length, frame.length]);
});

test('blocks and a checksum are a part of their frame', () => {
  const raw = [5 << 3, 0, 0, 1, 2, 3, 4, 5];
  // A byte that is repeated 2^17 times.
  const repeated = [2, 0, 0x10, 9];
  const frame = [...MAGIC, 0x04, 0x00, ...raw, ...repeated, ...END, 6, 7, 8, 9];
  const skippable = [0x5f, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2];
  expect(find([...frame, ...skippable, ...frame], 1000).lengths).toEqual([frame.length, 10, frame.length]);
});

test('what is no frame is handed on as it is', () => {
  expect(find([1, 2, 3, 4, ...MAGIC, 0x20, 7, ...END], 1000)).toEqual({ lengths: [13], windows: [] });
});
