import { expect, test } from 'vitest';
import { matches, wordsOf } from '../../src/runs/search.ts';

const run = {
  run: 'GPT-1b.seed-7',
  labels: { model: 'char lm', lr: 3e-4, amp: true, note: '100% of C:\\data_2', Ort: 'MÜNCHEN Straße' },
};

test.each([
  ['', true],
  ['   ', true],
  ['gpt', true],
  ['SEED-7 gpt', true],
  ['seed-7 gpt seed-7', true],
  ['gpt missing', false],
  ['model=char', true],
  ['lm', true],
  ['model=char lm', true],
  ['model=lm', false],
  ['lr=0.0003', true],
  ['lr=3e-4', false],
  ['amp=true', true],
  ['gptmodel', false],
  ['münchen', true],
  ['ort=München\u00a0straße', true],
  ['munchen', false],
  ['100%', true],
  ['1%', false],
  ['data_2', true],
  ['data-2', false],
  ['g_t', false],
  ['g*', false],
  ['c:\\data', true],
  ['[a-z]', false],
])('“%s” matches: %s', (search, expected) => {
  expect(matches(run, wordsOf(search))).toBe(expected);
});
