import { expect, test } from 'vitest';
import { excerptOf, SectionIndex } from '../../guide/src/section-index.ts';

const index = new SectionIndex([
  { address: 'runs.html', title: 'Runs', text: 'A trainer records each micro-batch of a step.', level: 1 },
  { address: 'runs.html#names', title: 'Names', text: 'A run has the name that you give it.', level: 2 },
  { address: 'limits.html', title: 'Limits', text: 'Memory of a trainer, of on_non_finite and of others.', level: 1 },
  { address: 'limits.html#runs', title: 'Bounds', text: 'Nothing.', level: 2 },
]);
const find = (query: string): string[] => index.find(query).map(({ address }) => address);

test('titles come before texts', () => {
  expect(find('limits')[0]).toBe('limits.html');
  expect(find('names')).toEqual(['runs.html#names']);
});

test('a section is found by its page', () => {
  expect(find('runs bounds')).toEqual([]);
  expect(find('limits bounds')).toEqual(['limits.html#runs']);
});

test('all words are required, by their beginnings', () => {
  expect(find('train rec')).toEqual(['runs.html']);
  expect(find('train zebra')).toEqual([]);
});

test('a near misspelling is found', () => {
  expect(find('memry')).toEqual(['limits.html']);
});

test.each(['on_non_finite', 'non_finite', 'finite'])('an option is found by %s', (query) => {
  expect(find(query)).toEqual(['limits.html']);
});

test('an excerpt is around the first word that was found', () => {
  const text = `${'x '.repeat(100)}the\nneedle ${'y '.repeat(100)}`;
  const excerpt = excerptOf({ text, words: ['needle'] });
  expect(excerpt).toMatch(/^… x .* the needle y .* …$/);
  expect(excerpt.length).toBeLessThan(160);
  expect(excerptOf({ text: 'short', words: ['other'] })).toBe('short');
});
