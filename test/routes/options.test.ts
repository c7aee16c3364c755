import { describe, expect, test } from 'vitest';
import { Service } from '../service.ts';
import { LABEL, LOGITS } from './known-batch.ts';

const service = Service.shared();

describe('options', () => {
  const batch = { logits: LOGITS, label: LABEL };
  const rowLoss = async (row: number): Promise<number> =>
    (await service.post({ logits: [LOGITS[row]], label: [LABEL[row]], options: { reduction: 'sum' } })).body.loss!;

  test('reduction sum is the numerator, none gives the rows and no loss', async () => {
    const sum = await service.post({ ...batch, options: { reduction: 'sum' } });
    expect(sum.body.loss).toBe(sum.body.numerator);
    const none = await service.post({ ...batch, options: { reduction: 'none' } });
    expect(none.body).not.toHaveProperty('loss');
    expect(none.body.outputs['per_token_loss']?.data).toEqual([await rowLoss(0), await rowLoss(1), await rowLoss(2)]);
  });

  test('calculate_per_token_loss gives the pair and no loss', async () => {
    const { body } = await service.post({ ...batch, options: { calculate_per_token_loss: true } });
    expect(body).not.toHaveProperty('loss');
    expect(body.numerator / body.denominator).toBeCloseTo(1.4249971, 6);
  });

  test('a mask weighs rows and 0 leaves them out', async () => {
    const { body } = await service.post({
      ...batch,
      input_mask: [2, 0, 0.5],
      options: { outputs: ['per_token_loss'] },
    });
    const [first, third] = [await rowLoss(0), await rowLoss(2)];
    expect(body.numerator).toBeCloseTo(2 * first + 0.5 * third, 12);
    expect(body.denominator).toBe(2.5);
    expect(body.outputs['per_token_loss']?.data).toEqual([2 * first, 0, 0.5 * third]);
    expect(body.rows).toEqual({ total: 3, counted: 2, ignored: 0, masked: 1 });
  });

  test.each([
    [1, 2],
    [[1, 0], 1],
    [[], 3],
    [-100, 3],
  ])('ignore_index %j counts %i of the rows', async (ignored, counted) => {
    const { body } = await service.post({ ...batch, options: { ignore_index: ignored } });
    expect(body.rows).toEqual({ total: 3, counted, ignored: 3 - counted, masked: 0 });
  });

  test('megatron divides by at least 1', async () => {
    const { body } = await service.post({ ...batch, input_mask: [0.25, 0.25, 0], options: { semantics: 'megatron' } });
    expect(body.loss).toBe(body.numerator);
    expect(body.denominator).toBe(0.5);
  });

  test('invalid_label zero_loss gives loss 0 to a label that is no class, and counts it', async () => {
    const label = [1, 5, -100];
    const options = { invalid_label: 'zero_loss', ignore_index: [], outputs: ['per_token_loss'] };
    const { body } = await service.post({ ...batch, label, options });
    expect(body.outputs['per_token_loss']?.data).toEqual([await rowLoss(0), 0, 0]);
    expect(body.denominator).toBe(3);
  });
});

test('megatron’s smoothing of one class is refused', async () => {
  const { status, body } = await service.post({
    logits: [[1]],
    label: [0],
    options: { semantics: 'megatron', label_smoothing: 0.1 },
  });
  expect([status, body.code]).toEqual([422, 'invalid_option']);
});

test('a row that is masked and ignored counts as masked', async () => {
  const { body } = await service.post({ logits: LOGITS, label: [-100, 4, 0], input_mask: [0, 1, 1] });
  expect(body.rows).toEqual({ total: 3, counted: 2, ignored: 0, masked: 1 });
});
