import { describe, expect, test } from 'vitest';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import { JSON_TYPE, Service } from '../service.ts';
import { LABEL, LOGITS, float64, numbers, tensor } from './known-batch.ts';

const service = Service.shared();

describe('metrics', () => {
  test('perplexity and bits_per_token always come', async () => {
    const { body } = await service.post({ logits: LOGITS, label: LABEL, input_mask: [1, 0.5, 2] });
    expect(body.metrics).toEqual({
      perplexity: Math.exp(body.mean_nll),
      bits_per_token: body.mean_nll / Math.LN2,
    });
  });

  test('the others are means over counted rows, weighted by the mask, when asked for', async () => {
    const logits = [
      [0, 1, 2, 3, 4, 5, 6],
      [6, 5, 4, 3, 2, 1, 0],
      [0, 0, 0, 0, 0, 0, 0],
      [9, 0, 0, 0, 0, 0, 0],
    ];
    const options = {
      metrics: ['accuracy', 'top5_accuracy', 'mean_entropy'],
      outputs: ['target_rank', 'predictions', 'entropy'],
    };
    const { body } = await service.post({ logits, label: [6, 6, 4, -100], input_mask: [1, 2, 1, 1], options });
    expect(body.outputs['target_rank']?.data).toEqual([0, 6, 4, -1]);
    expect(body.outputs['predictions']?.data).toEqual([6, 0, 0, 0]);
    expect(body.metrics).toMatchObject({ accuracy: 1 / 4, top5_accuracy: 2 / 4 });
    const entropies = Array.from(body.outputs['entropy']!.data as unknown as number[]);
    expect(entropies[2]).toBeCloseTo(Math.log(7), 6);
    expect(body.metrics.mean_entropy).toBeCloseTo((entropies[0]! + 2 * entropies[1]! + entropies[2]!) / 4, 12);
  });
});

describe('a row that holds a NaN', () => {
  const options = { metrics: ['accuracy', 'top5_accuracy', 'ece'], outputs: ['predictions', 'target_rank'] };

  test('has no prediction, and is a miss', async () => {
    const answer = await service.post({ logits: [['NaN', 5, 1, 2]], label: [1], options });
    expect(answer.body.metrics).toMatchObject({ accuracy: 0, top5_accuracy: 0, ece: 'NaN' });
    expect([numbers(answer, 'predictions'), numbers(answer, 'target_rank')]).toEqual([[-1], [-1]]);
    expect(answer.body.diagnostics).toMatchObject({
      rows_without_prediction: 1,
      causes: [{ cause: 'nan_logit', rows: 1 }],
      worst_rows: [{ row: 0, target_rank: -1 }],
    });
  });

  test.each(KERNEL_DTYPES)('is in the denominator of accuracy and not of ece, in %s', async (dtype) => {
    // A NaN after the first tile, at the label, and before the label.
    const rows = [3000, 1, 0].map((column) => Array<number>(4001).fill(0).with(1, 4).with(column, Number.NaN));
    const sure = Array<number>(4001).fill(-1000).with(1, 0);
    for (const more of [{}, { softcap: 2000 }, { parallel_config: { model_parallel: 1 } }]) {
      const answer = await service.post({
        logits: tensor(JSON_TYPE, dtype, [...rows, sure]),
        label: [1, 1, 1, 1],
        input_mask: [1, 1, 2, 4],
        options: { ...options, ...more },
      });
      expect(answer.body.metrics).toMatchObject({ accuracy: 0.5, top5_accuracy: 0.5, ece: 0 });
      expect(numbers(answer, 'predictions')).toEqual([-1, -1, -1, 1]);
      expect(numbers(answer, 'target_rank')).toEqual([-1, -1, -1, 0]);
      expect(answer.body.diagnostics.rows_without_prediction).toBe(3);
    }
  });

  test('has none where classes are evaluated in shards, and where it is left out', async () => {
    const answer = await service.post({
      logits: [
        [1, 2, 'NaN', 0],
        [1, 'NaN', 2, 0],
        ['NaN', 1, 2, 0],
      ],
      label: [1, 2, -100],
      options: { ...options, parallel_config: { model_parallel: 2 } },
    });
    expect(numbers(answer, 'predictions')).toEqual([-1, -1, -1]);
    expect(answer.body.diagnostics.rows_without_prediction).toBe(2);
  });
});

test('rows without a prediction are not spoken of where none was asked for', async () => {
  const { body } = await service.post({ logits: [['NaN', 1]], label: [1] });
  expect(body.diagnostics).not.toHaveProperty('rows_without_prediction');
});

describe('ece', () => {
  /** Logits of two classes; the first has the given probability. */
  const rowOf = (probability: number): number[] => [Math.log(probability / (1 - probability)), 0];
  const options = { metrics: ['ece'] };

  test('is the sum over bins of the gap between hits and confidence, over all rows', async () => {
    // The confidences 0.9 and 0.91 share the bin from 13/15 to 14/15. 0.62 and 0.75 have separate bins.
    const logits = float64([0.9, 0.91, 0.62, 0.25].map(rowOf));
    const { body } = await service.post({ logits, label: [0, 1, 0, 1], options });
    const gaps = [Math.abs(1 - 0.9 - 0.91), 1 - 0.62, 1 - 0.75];
    expect(body.metrics.ece).toBeCloseTo((gaps[0]! + gaps[1]! + gaps[2]!) / 4, 12);
  });

  test('is weighted by the mask, and leaves out what is not counted', async () => {
    const logits = float64([0.9, 0.91, 0.62, 0.25].map(rowOf));
    const { body } = await service.post({ logits, label: [0, 1, 0, -100], input_mask: [2, 0.5, 0, 1], options });
    expect(body.metrics.ece).toBeCloseTo(Math.abs(2 * (1 - 0.9) - 0.5 * 0.91) / 2.5, 12);
  });

  test('is 0 for rows that are sure and right, and 1 for rows that are sure and wrong', async () => {
    const logits = [
      [1000, 0],
      [0, 1000],
    ];
    expect((await service.post({ logits, label: [0, 1], options })).body.metrics.ece).toBe(0);
    expect((await service.post({ logits, label: [1, 0], options })).body.metrics.ece).toBe(1);
  });

  test('is NaN with a row that has a prediction of no confidence, and with nothing counted', async () => {
    const infinite = await service.post({
      logits: [
        [1, 'Infinity'],
        [1, 2],
      ],
      label: [0, 0],
      options,
    });
    expect(infinite.body.metrics.ece).toBe('NaN');
    const nothing = await service.post({ logits: [[1, 2]], label: [-100], options });
    expect(nothing.body.metrics.ece).toBe('NaN');
  });

  test('is absent when not asked for', async () => {
    expect((await service.post({ logits: LOGITS, label: LABEL })).body.metrics).not.toHaveProperty('ece');
  });
});
