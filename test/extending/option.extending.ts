import { expect, test } from 'vitest';
import { softmax } from './expected.ts';
import { extend } from './addition.ts';

const service = extend('An option');

const logits = [
  [1, 2, 3],
  [0.5, 0.25, 0],
];
const label = [2, 0];
const ITEMS = 64;

test('the loss is the sum, divided by the given number', async () => {
  const options = { num_items_in_batch: ITEMS };
  const { status, body } = await service.post<{ loss: number }>({ logits, label, options });
  const sum = logits.reduce((total, row, k) => total - Math.log(softmax(row)[label[k]!]!), 0);
  expect(status).toBe(200);
  expect(body.loss).toBeCloseTo(sum / ITEMS, 7);
});

test('so is the gradient', async () => {
  const options = { num_items_in_batch: ITEMS, outputs: ['gradient'] };
  const { body } = await service.post<{ outputs: { gradient: { data: number[] } } }>({ logits, label, options });
  const expected = logits.flatMap((row, k) => softmax(row).map((s, c) => (s - Number(c === label[k])) / ITEMS));
  for (const [k, g] of body.outputs.gradient.data.entries()) expect(g).toBeCloseTo(expected[k]!, 8);
});

test('a number that is not positive is rejected', async () => {
  const { status, body } = await service.post({ logits, label, options: { num_items_in_batch: 0 } });
  expect([status, body]).toEqual([
    422,
    expect.objectContaining({
      code: 'invalid_option',
      errors: [expect.objectContaining({ pointer: '/options/num_items_in_batch' })],
    }),
  ]);
});

test('the manual has it', async () => {
  expect(await service.document('components', 'schemas', 'LossOptions', 'properties')).toHaveProperty(
    'num_items_in_batch',
  );
});
