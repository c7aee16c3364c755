import { expect, test } from 'vitest';
import { groupScalars, lastPartOf } from '../../dashboard/src/scalars/groups.ts';

const NAMES = ['lr', 'grad/layers.10', 'grad/layers.2', 'a/b/c', 'grad/layers.2', '/odd'];

test('scalars are grouped by their names up to the last slash, numbers in the order of numbers', () => {
  expect(groupScalars(NAMES, '')).toEqual([
    { name: '', scalars: ['/odd', 'lr'] },
    { name: 'a/b', scalars: ['a/b/c'] },
    { name: 'grad', scalars: ['grad/layers.2', 'grad/layers.10'] },
  ]);
  expect(NAMES.map(lastPartOf)).toEqual(['lr', 'layers.10', 'layers.2', 'c', 'layers.2', 'odd']);
});

test('all words of a search must occur', () => {
  expect(groupScalars(NAMES, ' LAYERS grad  1')).toEqual([{ name: 'grad', scalars: ['grad/layers.10'] }]);
  expect(groupScalars(NAMES, 'nothing')).toEqual([]);
});
