import { expect, test } from 'vitest';
import { VOCABULARY_SHARD } from '../../../src/evaluations/vocabulary/shard.ts';
import { evaluated } from '../planned.ts';

const ROWS = [
  [1, 2],
  [3, 5],
];
const SHARD = { label: [5, 1], vocab_start: 4, vocab_size: 8 };

test('a partial has its place in the vocabulary, the labels of all of it, and columns to merge', async () => {
  const { answer } = await evaluated(VOCABULARY_SHARD, ROWS, SHARD);
  expect(answer).toMatchObject({ vocab_start: 4, vocab_size: 8, classes: 2, shape: [2] });
  expect([...new Int32Array(answer.target.data.buffer)]).toEqual([5, 1]);
  expect(Object.keys(answer.columns).length).toBeGreaterThan(2);
});

test.each([
  [{ ...SHARD, vocab_size: undefined }, 'the field vocab_size is missing'],
  [{ ...SHARD, vocab_start: 7 }, 'the shard has the classes [7, 9), but vocab_size is 8'],
  [{ ...SHARD, label: [8, 0] }, 'label'],
  [{ ...SHARD, options: { outputs: ['gradient'] } }, 'gradient'],
])('%j is refused', async (fields, says) => {
  await expect(evaluated(VOCABULARY_SHARD, ROWS, fields)).rejects.toThrow(says);
});
