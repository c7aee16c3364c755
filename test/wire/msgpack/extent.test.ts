import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { expect, test } from 'vitest';
import { MsgpackExtent } from '../../../src/wire/msgpack/extent.ts';

const packr = new Packr({ useRecords: false, variableMapSize: true });

const LIMITS = { entries: 2 ** 18, pairs: 2 ** 12, textBytes: 65_535, allTextBytes: Infinity };

/** Values of every MessagePack format: lengths are chosen around the formats' bounds. */
const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false, 0, 127, 128, 65536, -1, -33, -40000, 2 ** 40, -(2 ** 40), 1.5, 2n ** 63n),
    fc.string({ maxLength: 40 }),
    fc.constantFrom(31, 32, 255, 256, 65_535, 65_536).map((length) => 'x'.repeat(length)),
    fc.constantFrom(0, 1, 255, 256, 65536).map((length) => Buffer.alloc(length)),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(fc.string({ maxLength: 5 }), tie('value'), { maxKeys: 20 }),
  ),
})).value;

test('the extent of a value is what msgpackr wrote, however it is cut', () => {
  fc.assert(
    fc.property(values, fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1 }), (value, cuts) => {
      const bytes = packr.pack(value);
      const followed = Buffer.concat([bytes, Buffer.of(0xc0, 0xc0)]);
      const extent = new MsgpackExtent(LIMITS);
      let at = 0;
      for (let k = 0; !extent.done; k++) {
        const chunk = followed.subarray(at, at + cuts[k % cuts.length]!);
        expect(chunk.byteLength).toBeGreaterThan(0);
        at += extent.push(chunk);
        if (extent.longText === 0) continue;
        expect(extent.longText).toBe(65_536);
        at += extent.longText;
        extent.passLongText();
      }
      expect(at).toBe(bytes.byteLength);
    }),
  );
});

test('every type byte of the specification that is no extension has its extent', () => {
  const extents: [number[], number][] = [
    [[0x00], 1],
    [[0x7f], 1],
    [[0xe0], 1],
    [[0xff], 1], // fixint
    [[0x80], 1],
    [[0x81, 1, 2], 3], // fixmap
    [[0x90], 1],
    [[0x92, 1, 2], 3], // fixarray
    [[0xa0], 1],
    [[0xa3, 1, 2, 3], 4], // fixstr
    [[0xc0], 1],
    [[0xc2], 1],
    [[0xc3], 1], // nil, false, true
    [[0xc4, 2, 0, 0], 4],
    [[0xc5, 0, 1, 0], 4],
    [[0xc6, 0, 0, 0, 1, 0], 6], // bin
    [[0xca, 0, 0, 0, 0], 5],
    [[0xcb, 0, 0, 0, 0, 0, 0, 0, 0], 9], // float
    [[0xcc, 0], 2],
    [[0xcd, 0, 0], 3],
    [[0xce, 0, 0, 0, 0], 5],
    [[0xcf, 0, 0, 0, 0, 0, 0, 0, 0], 9], // uint
    [[0xd0, 0], 2],
    [[0xd1, 0, 0], 3],
    [[0xd2, 0, 0, 0, 0], 5],
    [[0xd3, 0, 0, 0, 0, 0, 0, 0, 0], 9], // int
    [[0xd9, 1, 0], 3],
    [[0xda, 0, 1, 0], 4],
    [[0xdb, 0, 0, 0, 1, 0], 6], // str
    [[0xdc, 0, 1, 7], 4],
    [[0xdd, 0, 0, 0, 1, 7], 6], // array
    [[0xde, 0, 1, 7, 8], 5],
    [[0xdf, 0, 0, 0, 1, 7, 8], 7], // map
  ];
  for (const [bytes, length] of extents) {
    const extent = new MsgpackExtent();
    expect(extent.push(Uint8Array.from([...bytes, 0xc0])), bytes.toString()).toBe(length);
    expect(extent.done).toBe(true);
  }
});

test('a field has at most 262,144 entries that are read as values', () => {
  const extentOf = (entries: number): MsgpackExtent => {
    const extent = new MsgpackExtent();
    extent.push(packr.pack(Array<number>(entries).fill(0)));
    return extent;
  };
  expect(extentOf(2 ** 18).done).toBe(true);
  expect(() => extentOf(2 ** 18 + 1)).toThrow(/more than 262144 entries; send a tensor as .* with data as bin/);
});

test('a map has at most 4,096 keys', () => {
  const extentOf = (keys: number): MsgpackExtent => {
    const extent = new MsgpackExtent();
    extent.push(packr.pack(Object.fromEntries(Array.from({ length: keys }, (_, k) => [`k${k}`, 0]))));
    return extent;
  };
  expect(extentOf(4096).done).toBe(true);
  expect(() => extentOf(4097)).toThrow('a map has 4097 keys, expected at most 4096');
});

test('texts of a value are bounded together, apart from short ones', () => {
  const push = (value: unknown): void => void new MsgpackExtent().push(packr.pack(value));
  push(Array.from({ length: 2 ** 18 }, () => '-Infinity'));
  push(['x'.repeat(65_535), 'y'.repeat(65_535)]);
  const detail = 'the texts of a value have more than 131070 bytes';
  expect(() => push(['x'.repeat(65_535), 'y'.repeat(65_535), 'z'.repeat(10)])).toThrow(detail);
});
