import { expect, test } from 'vitest';
import { ZstdFrames } from '../../../src/wire/body/zstd-frames.ts';

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];
/** Last block: raw and empty. */
const END = [1, 0, 0];

/** Splits bytes in chunks of the given size. @returns parts for the decoder, windows of frames, and the unfinished rest */
function find(bytes: readonly number[], chunkBytes: number): { parts: number[][]; windows: number[]; rest: number[] } {
  const windows: number[] = [];
  const frames = new ZstdFrames((window) => windows.push(window));
  const parts: number[][] = [];
  let handedOn = 0;
  let came = 0;
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = Uint8Array.from(bytes.slice(at, at + chunkBytes));
    for (const part of frames.split(chunk)) {
      handedOn += part.byteLength;
      parts.push([...part]);
    }
    came += chunk.byteLength;
    expect(frames.withheld, 'every byte is handed on or withheld').toBe(came - handedOn);
  }
  return { parts, windows, rest: [...frames.unfinished] };
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
  expect(find([...frame, ...frame], 1000).parts).toEqual([frame, frame]);
});

test('blocks and a checksum are a part of their frame', () => {
  const raw = [5 << 3, 0, 0, 1, 2, 3, 4, 5];
  // RLE block: a byte that is repeated 2^17 times.
  const repeated = [2, 0, 0x10, 9];
  const frame = [...MAGIC, 0x04, 0x00, ...raw, ...repeated, ...END, 6, 7, 8, 9];
  expect(find([...frame, ...frame], 1000).parts).toEqual([frame, frame]);
});

const skippable = (...content: number[]): number[] => [0x5f, 0x2a, 0x4d, 0x18, content.length, 0, 0, 0, ...content];

test('skippable frames are left out, in any chunks', () => {
  const frame = [...MAGIC, 0x20, 7, ...END];
  const bytes = [...skippable(), ...skippable(1, 2), ...frame, ...skippable(...frame), ...skippable(), ...frame];
  expect(find(bytes, 1000).parts).toEqual([frame, frame]);
  for (let chunkBytes = 1; chunkBytes < bytes.length; chunkBytes++) {
    const { parts, windows, rest } = find([...bytes, ...skippable(3)], chunkBytes);
    expect([parts.flat(), windows, rest]).toEqual([[...frame, ...frame], [7, 7], []]);
    // No part has bytes of two frames.
    expect(parts.filter((part) => part.slice(1).join().includes(MAGIC.join()))).toEqual([]);
  }
});

test.each([
  ['a magic number', MAGIC.slice(0, 3)],
  ['the size of a skippable frame', skippable().slice(0, 6)],
])('%s that is cut off is there at the end', (_, cut) => {
  const frame = [...MAGIC, 0x20, 7, ...END];
  for (const chunkBytes of [1, 2, 1000]) expect(find([...frame, ...cut], chunkBytes).rest).toEqual(cut);
});

test('of a skippable frame that is cut off the header is there at the end', () => {
  const frame = skippable(1, 2, 3);
  for (const chunkBytes of [1, 2, 1000]) expect(find(frame.slice(0, -1), chunkBytes).rest).toEqual(frame.slice(0, 8));
});

test('what is no frame is handed on as it is', () => {
  const bytes = [1, 2, 3, 4, ...MAGIC, 0x20, 7, ...END];
  expect(find(bytes, 1000)).toEqual({ parts: [bytes], windows: [], rest: [] });
  for (const chunkBytes of [1, 3, 5]) expect(find(bytes, chunkBytes).parts.flat()).toEqual(bytes);
});
