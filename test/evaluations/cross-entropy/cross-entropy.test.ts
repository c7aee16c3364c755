import { expect, test } from 'vitest';
import { CROSS_ENTROPY } from '../../../src/evaluations/cross-entropy/cross-entropy.ts';
import { nll } from '../../reference.ts';
import { evaluated } from '../planned.ts';

const ROWS = [
  [1, 2, 4],
  [0.5, -1, 3],
];
const label = [2, 0];
const OPTIONS = { reduction: 'sum', semantics: 'torch' };

test('the loss is that of the reference, over the rows that count', async () => {
  const losses = ROWS.map((row, k) => nll(row, label[k]!));
  const { answer } = await evaluated(CROSS_ENTROPY, ROWS, { label, options: OPTIONS });
  expect(answer.loss).toBeCloseTo(losses[0]! + losses[1]!, 6);
  const masked = await evaluated(CROSS_ENTROPY, ROWS, { label, input_mask: [0, 1], options: OPTIONS });
  expect(masked.answer.loss).toBeCloseTo(losses[1]!, 6);
  expect(masked.answer.rows).toEqual({ total: 2, counted: 1, ignored: 0, masked: 1 });
});

test('the plan has its rows and its gradient on the account', async () => {
  const plain = await evaluated(CROSS_ENTROPY, ROWS, { label, options: OPTIONS });
  expect(plain.held).toBe(2 * 128);
  const outputs = ['gradient'];
  const differentiated = await evaluated(CROSS_ENTROPY, ROWS, { label, options: { ...OPTIONS, outputs } });
  expect(differentiated.held).toBe(2 * (128 + 32) + 2 * 3 * 4);
  expect(differentiated.answer.outputs['gradient']).toMatchObject({ dtype: 'float32', shape: [2, 3] });
});

test.each([
  [{ label, options: { reductoin: 'sum' } }, 'did you mean reduction?'],
  [{ label: [1, 3] }, 'label'],
  [{ label: [1] }, 'label'],
  [{ label, weight: [1, 2] }, 'weight'],
])('%j is refused before its rows come', async (fields, says) => {
  await expect(evaluated(CROSS_ENTROPY, ROWS, fields)).rejects.toThrow(says);
});
