/** Changes to the bytes of a body: flips, cuts, insertions, repetitions, splices, lengths and numbers. */
import fc from 'fast-check';

/** @param other body of another request */
export type ByteEdit = (bytes: Buffer, other: Buffer) => Buffer;

const fraction = fc.double({ min: 0, max: 1, noNaN: true });

const placeIn = (bytes: Buffer, at: number): number => Math.min(bytes.length, Math.floor(at * (bytes.length + 1)));

/** Replaces a run of bytes. */
function replace(bytes: Buffer, { from, length, by }: { from: number; length: number; by: Uint8Array }): Buffer {
  return Buffer.concat([bytes.subarray(0, from), by, bytes.subarray(from + length)]);
}

const flip = fc.tuple(fraction, fc.nat({ max: 7 })).map(([at, bit]): ByteEdit => {
  return (bytes) => {
    const changed = Buffer.from(bytes);
    const place = placeIn(bytes, at);
    if (place < changed.length) changed[place]! ^= 1 << bit;
    return changed;
  };
});

const cut = fc.tuple(fraction, fc.nat({ max: 64 })).map(
  ([at, length]): ByteEdit =>
    (bytes) =>
      replace(bytes, { from: placeIn(bytes, at), length, by: Buffer.alloc(0) }),
);

const truncate = fraction.map(
  (at): ByteEdit =>
    (bytes) =>
      bytes.subarray(0, placeIn(bytes, at)),
);

const insert = fc.tuple(fraction, fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 32 }), tokens())).map(
  ([at, by]): ByteEdit =>
    (bytes) =>
      replace(bytes, { from: placeIn(bytes, at), length: 0, by }),
);

const repeat = fc
  .tuple(fraction, fc.nat({ max: 64 }), fc.integer({ min: 1, max: 20 }))
  .map(([at, length, times]): ByteEdit => {
    return (bytes) => {
      const from = placeIn(bytes, at);
      const run = bytes.subarray(from, from + length);
      return replace(bytes, { from, length: 0, by: Buffer.concat(Array.from({ length: times }, () => run)) });
    };
  });

const splice = fc.tuple(fraction, fraction).map(
  ([at, from]): ByteEdit =>
    (bytes, other) =>
      Buffer.concat([bytes.subarray(0, placeIn(bytes, at)), other.subarray(placeIn(other, from))]),
);

const INTEGERS = [
  0n,
  1n,
  127n,
  128n,
  255n,
  256n,
  32_767n,
  65_535n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** Integers. Half of them overwrite bytes near the beginning of the body, where lengths are. */
const integer = fc
  .tuple(
    fc.oneof(
      fraction,
      fraction.map((at) => at / 20),
    ),
    fc.constantFrom(...INTEGERS),
    fc.constantFrom(1, 2, 4, 8),
    fc.constantFrom('little', 'big'),
  )
  .map(([at, value, width, order]): ByteEdit => {
    const eight = Buffer.alloc(8);
    eight.writeBigUInt64LE(value);
    const by = eight.subarray(0, width);
    if (order === 'big') by.reverse();
    return (bytes) => replace(bytes, { from: placeIn(bytes, at), length: width, by });
  });

const EXTREMES = [
  '1e999',
  '-1e999',
  '1e-999',
  '-0',
  'NaN',
  '-Infinity',
  '9007199254740993',
  '1e3',
  '1.5',
  '-1',
  '00',
  '1e',
  '"1"',
];

/** Replaces a number in a text. */
const number = fc.tuple(fraction, fc.constantFrom(...EXTREMES)).map(([at, by]): ByteEdit => {
  return (bytes) => {
    const text = bytes.toString('latin1');
    const numbers = [...text.matchAll(/-?\d+(?:\.\d+)?/g)];
    const found = numbers[Math.floor(at * numbers.length)];
    if (found === undefined) return bytes;
    return replace(bytes, { from: found.index, length: found[0].length, by: Buffer.from(by) });
  };
});

export const byteEdit: fc.Arbitrary<ByteEdit> = fc.oneof(flip, cut, truncate, insert, repeat, splice, integer, number);

/** Syntactic tokens of the formats. */
function tokens(): fc.Arbitrary<Uint8Array> {
  const texts = [
    '[',
    ']',
    '{',
    '}',
    '"',
    ',',
    ':',
    '\\',
    'null',
    '[['.repeat(40),
    '\u0000',
    '{"logits":[[1]],"label":[0]}',
  ];
  // MessagePack: arrays, maps, bin and str of great lengths, extensions, nil.
  const bytes = [
    [0xdd, 0xff, 0xff, 0xff, 0xff],
    [0xdf, 0x7f, 0xff, 0xff, 0xff],
    [0xc6, 0xff, 0xff, 0xff, 0xff],
    [0xdb, 0x10, 0, 0, 0],
    [0xd4, 0x72, 0x40],
    [0xc7, 0x05, 0x01],
    [0xc1],
    [0xc0],
  ];
  return fc.constantFrom(...texts.map((text) => Buffer.from(text)), ...bytes.map((list) => Buffer.from(list)));
}
