import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseExact, stringifyExact } from '../../../src/cli/shards/exact-json.ts';

const leaf = fc.oneof(
  fc.double(),
  fc.constantFrom(-0, Number.NaN, Infinity, -Infinity, Number.MIN_VALUE, Number.MAX_VALUE),
  fc.string({ unit: 'binary' }),
  fc.boolean(),
  fc.constant(null),
  fc.float64Array(),
  fc.int32Array(),
  fc.uint8Array(),
);

const tree = fc.letrec((tie) => ({
  node: fc.oneof(
    leaf,
    fc.array(tie('node')),
    fc.dictionary(fc.stringMatching(/^[a-z_]\w*$/), tie('node'), { noNullPrototype: true }),
  ),
})).node;

test('keeps every bit of numbers and columns', () => {
  fc.assert(
    fc.property(tree, (value) => {
      // toStrictEqual distinguishes −0 from 0.
      expect(parseExact(stringifyExact(value))).toStrictEqual(value);
    }),
  );
});

test('is JSON on one line, whatever the strings hold', () => {
  const text = stringifyExact({ file: 'a\nb\u2028c', sum: Number.NaN, column: Float64Array.of(1) });
  expect(text).not.toContain('\n');
  expect(JSON.parse(text)).toEqual({
    file: 'a\nb\u2028c',
    sum: { $number: 'NaN' },
    column: { $float64: 'AAAAAAAA8D8=' },
  });
});

test('a column that begins within its memory is written alone', () => {
  const part = Float64Array.of(1, 2, 3).subarray(1, 2);
  expect(parseExact(stringifyExact(part))).toStrictEqual(Float64Array.of(2));
});

test('an unknown type of array is refused', () => {
  expect(() => parseExact('{"$float16":"AAA="}')).toThrow('$float16 is not known');
});
