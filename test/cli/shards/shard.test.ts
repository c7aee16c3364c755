import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { listNumbers } from '../../../src/cli/shards/list-numbers.ts';
import { digestOf, filesOf, placesOf, readShard } from '../../../src/cli/shards/shard.ts';

test('the shards of a list have each file once, numbers of files that differ by one at most', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.nat({ max: 120 }), (of, files) => {
      const shards = Array.from({ length: of }, (_, k) => placesOf({ index: k + 1, of }, files));
      expect(shards.flat().toSorted((a, b) => a - b)).toEqual(Array.from({ length: files }, (_, place) => place));
      const sizes = shards.map(({ length }) => length);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    }),
  );
});

test('shard I has every Nth file from the Ith on; without a shard all files are taken', () => {
  const files = ['a', 'b', 'c', 'd', 'e'].map((path) => ({ path, bytes: 1 }));
  const taken = (shard: Parameters<typeof filesOf>[0]) =>
    filesOf(shard, files).map(({ path, place }) => `${path}${place}`);
  expect(taken({ index: 2, of: 2 })).toEqual(['b1', 'd3']);
  expect(taken({ index: 3, of: 3 })).toEqual(['c2']);
  expect(taken(undefined)).toEqual(['a0', 'b1', 'c2', 'd3', 'e4']);
});

describe('--shard', () => {
  test.each(['1/1', '3/64', '1000000/1000000'])('%s is a shard', (shard) => {
    const [index, of] = shard.split('/').map(Number);
    expect(readShard({ shard, partial: 'out.json' })).toEqual({ index, of, path: 'out.json' });
  });

  test.each(['0/4', '5/4', '4', '1/0', '-1/4', '1.5/4', '1/4/2', '1/1000001', '1 / 4', ''])(
    '%s is refused',
    (shard) => {
      const says = `--shard is ${shard}, expected I/N such as 3/64, with 1 ≤ I ≤ N ≤ 1000000`;
      expect(() => readShard({ shard, partial: 'out.json' })).toThrow(says);
    },
  );

  test.each([
    [{ shard: '1/2' }, '--shard is given without --partial, expected both'],
    [{ partial: 'a.json' }, '--partial is given without --shard, expected both'],
    [{ shard: '1/2', partial: 'a.json', json: true }, '--json needs the result of all files'],
    [{ shard: '1/2', partial: 'a.json', 'fail-if': ['max>1'] }, '--fail-if needs the result of all files'],
  ])('%j is refused', (values, says) => {
    expect(() => readShard(values)).toThrow(says);
  });

  test('absent means all files', () => {
    expect(readShard({ json: true, 'fail-if': [] })).toBeUndefined();
  });
});

test('the digest of a list depends on names and sizes, each of them', () => {
  const hashOf = (...files: [string, number][]) => digestOf(files.map(([path, bytes]) => ({ path, bytes }))).sha256;
  const lists: [string, number][][] = [
    [['a', 1]],
    [['a', 2]],
    [['b', 1]],
    [],
    [
      ['a', 1],
      ['b', 1],
    ],
    [
      ['b', 1],
      ['a', 1],
    ],
  ];
  expect(new Set(lists.map((list) => hashOf(...list))).size).toBe(lists.length);
  expect(
    digestOf([
      { path: 'a', bytes: 3 },
      { path: 'b', bytes: 4 },
    ]),
  ).toMatchObject({ files: 2, bytes: 7 });
});

test.each([
  [[3], '3'],
  [[3, 7], '3, 7'],
  [[1, 2], '1, 2'],
  [[1, 2, 3, 9, 11, 12, 13, 14], '1–3, 9, 11–14'],
])('%j are listed as %s', (numbers, text) => {
  expect(listNumbers(numbers)).toBe(text);
});

test('a long list of numbers says how many more there are', () => {
  const odd = Array.from({ length: 40 }, (_, k) => 2 * k + 1);
  expect(listNumbers(odd)).toMatch(/^1, 3, 5, .*, 63 and 8 more$/);
});
