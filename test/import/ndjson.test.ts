import { expect, test } from 'vitest';
import { formatItem } from '../../src/import/item.ts';
import { ndjson } from '../../src/import/ndjson.ts';
import { parse } from './parse.ts';

test('a line is an item as it stands, and blank lines are none', () => {
  const text = '{"step": 1, "numerator": "NaN", "denominator": 2}\n\n{"step": 2, "rank": 3, "later": true}\n';
  expect(parse(ndjson, [text], { chunk: 4 })).toEqual([
    { at: 1, item: { step: 1, numerator: 'NaN', denominator: 2 } },
    { at: 3, item: { step: 2, rank: 3, later: true } },
  ]);
});

test('--rank and --attempt hold for lines that do not say theirs', () => {
  expect(parse(ndjson, ['{"step": 1}\n{"step": 1, "rank": 0}\n'], { rank: 5, attempt: 2 })).toEqual([
    { at: 1, item: { step: 1, rank: 5, attempt: 2 } },
    { at: 2, item: { step: 1, rank: 0, attempt: 2 } },
  ]);
});

test('a line that is no object is refused, and an incomplete last line is a note', () => {
  expect(parse(ndjson, ['[1]\n{"step": 1,}\n{"step": 2}\n{"st'])).toEqual([
    { at: 1, refused: 'the line is not a JSON object' },
    { at: 2, refused: expect.stringContaining('JSON') },
    { at: 3, item: { step: 2 } },
    { at: 4, note: 'the last line is incomplete: it is not read' },
  ]);
});

test('non-finite numbers are strings on the wire', () => {
  expect(formatItem({ step: 1, numerator: Number.NaN, denominator: 1, scalars: { a: -Infinity, b: 0.1 } })).toBe(
    '{"step":1,"numerator":"NaN","denominator":1,"scalars":{"a":"-Infinity","b":0.1}}',
  );
});
