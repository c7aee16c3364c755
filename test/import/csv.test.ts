import { expect, test } from 'vitest';
import { csv } from '../../src/import/csv.ts';
import { itemsOf, parse } from './parse.ts';

test('columns are fields, and every other number is a scalar', () => {
  const text =
    'step,loss,lr,note,rank,micro_batch,attempt,device\n7,1.5,1e-3,warm,1,2,3,npu:0\n8,nan,inf,-inf,1,0,3,\n';
  expect(itemsOf(parse(csv, [text]))).toEqual([
    {
      step: 7,
      rank: 1,
      micro_batch: 2,
      attempt: 3,
      numerator: 1.5,
      denominator: 1,
      device: 'npu:0',
      scalars: { lr: 0.001 },
    },
    {
      step: 8,
      rank: 1,
      micro_batch: 0,
      attempt: 3,
      numerator: Number.NaN,
      denominator: 1,
      scalars: { lr: Infinity, note: -Infinity },
    },
  ]);
});

test.each(['\n', '\r\n'])('empty lines before the header do not hide the delimiter: %j', (newline) => {
  const text = ['', '', 'step;loss', '1;0.25', '2;0.5', ''].join(newline);
  expect(itemsOf(parse(csv, [text])).at(-1)).toMatchObject({ step: 2, numerator: 0.5 });
});

test('a pair stands in two columns', () => {
  expect(itemsOf(parse(csv, ['step;numerator;denominator\r\n1;6;4\r\n']))).toEqual([
    { step: 1, rank: 0, attempt: 0, numerator: 6, denominator: 4 },
  ]);
});

test('--map names columns, which may be quoted and hold newlines', () => {
  const text = '"Step","run, seed\n7 - loss"\n"3","0.25"\n';
  const columns = { step: 'Step', loss: 'run, seed\n7 - loss' };
  expect(itemsOf(parse(csv, [text], { columns, chunk: 3 }))).toEqual([
    { step: 3, rank: 0, attempt: 0, numerator: 0.25, denominator: 1 },
  ]);
});

test('an empty cell is absent', () => {
  expect(itemsOf(parse(csv, ['step,loss,lr\n1,,0.1\n']))).toEqual([
    { step: 1, rank: 0, attempt: 0, scalars: { lr: 0.1 } },
  ]);
});

test('invalid lines are refused by their numbers, and the others are read', () => {
  const text = 'step,loss\n1,2\n1.5,2\n-1,2\n,2\n3,abc\n\n4,"1"x\n5,6\n';
  expect(parse(csv, [text], { chunk: 9 })).toEqual([
    { at: 2, item: { step: 1, rank: 0, attempt: 0, numerator: 2, denominator: 1 } },
    { at: 3, refused: 'step is "1.5", expected an integer that is at least 0' },
    { at: 4, refused: 'step is "-1", expected an integer that is at least 0' },
    { at: 5, refused: 'step is "", expected an integer that is at least 0' },
    { at: 6, refused: 'loss is "abc", expected a number' },
    { at: 8, refused: 'invalid closing quote' },
    { at: 9, item: { step: 5, rank: 0, attempt: 0, numerator: 6, denominator: 1 } },
  ]);
});

test('a byte order mark and a last line without newline are read', () => {
  expect(itemsOf(parse(csv, ['\uFEFFstep\tlr\n1\t2']))).toEqual([{ step: 1, rank: 0, attempt: 0, scalars: { lr: 2 } }]);
});

test.each([
  ['stp,loss\n1,2\n', {}, 'there is no column step, did you mean stp? (--map step=COLUMN names another)'],
  [
    'step,a\n1,2\n',
    { loss: 'entropy' },
    'there is no column entropy, the columns are step, a (--map loss=COLUMN names another)',
  ],
  [
    'step,numerator\n1,2\n',
    {},
    'there is a column for numerator only, expected columns for numerator and denominator, or for neither',
  ],
])('%j is refused with the missing column', (text, columns, message) => {
  expect(() => parse(csv, [text], { columns })).toThrow(message);
});

test('a quote that is not closed ends the import', () => {
  const text = `step,loss\n1,2\n2,"3\n${'4,5\n'.repeat(2 ** 20 + 1)}`;
  expect(() => parse(csv, [text], { chunk: 2 ** 18 })).toThrow('line 3 has a quote that is not closed');
});
