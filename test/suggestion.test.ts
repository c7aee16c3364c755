import { expect, test } from 'vitest';
import { suggestName } from '../src/suggestion.ts';

const KNOWN = ['label', 'label_smoothing', 'logits', '/v1/cross-entropy', 'MAX_BODY_BYTES'];

test.each([
  ['lable', 'label'],
  ['label-smothing', 'label_smoothing'],
  ['/v1/cross_entropy', '/v1/cross-entropy'],
  ['/V1/cross-entropi', '/v1/cross-entropy'],
  ['max_body_byte', 'MAX_BODY_BYTES'],
  ['weight', undefined],
  ['lob', undefined],
  ['l'.repeat(65), undefined],
])('%s → %s', (name, meant) => {
  expect(suggestName(name, KNOWN)).toBe(meant);
});

test('the nearest of several is suggested, and the first of equal ones', () => {
  expect(suggestName('labl', ['lapel', 'label'])).toBe('label');
  expect(suggestName('b', ['a', 'c'])).toBe('a');
});

test('a synonym goes before what is near, where it is known', () => {
  expect(suggestName('smoothing', KNOWN, { smoothing: 'label_smoothing' })).toBe('label_smoothing');
  expect(suggestName('smoothing', ['logits'], { smoothing: 'label_smoothing' })).toBeUndefined();
});

test('nothing is suggested where nothing is known', () => {
  expect(suggestName('label', [])).toBeUndefined();
});
