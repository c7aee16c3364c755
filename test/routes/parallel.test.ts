import { describe, expect, test } from 'vitest';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import { logSoftmax } from '../reference.ts';
import { ROWS, seededRandom } from '../rows.ts';
import { JSON_TYPE, Service } from '../service.ts';
import { close, float64, numbers, tensor } from './known-batch.ts';

const service = Service.shared();

const CLASSES = 6;
const random = seededRandom(11);
const ROWS_OF_FOUR = Array.from({ length: 4 }, () => Array.from({ length: CLASSES }, () => 4 * random() - 2));
const LABELS = [0, 5, 2, 3];
const NLL = ROWS_OF_FOUR.map((row, r) => -logSoftmax(row)[LABELS[r]!]!);
const batch = { logits: float64(ROWS_OF_FOUR), label: LABELS };

const parallel = (parallel_config: object, more: object = {}): object => ({ options: { parallel_config, ...more } });

describe('parallel_config that does not divide is refused:', () => {
  test.each([
    ['data_parallel', 3, '4 rows do not divide into 3 groups of equal size'],
    ['data_parallel', 8, '4 rows do not divide into 8 groups of equal size'],
    ['model_parallel', 4, '6 classes do not divide into 4 shards of equal size'],
    ['model_parallel', 12, '6 classes do not divide into 12 shards of equal size'],
  ])('%s %i', async (name, degree, says) => {
    const { status, body } = await service.post({ ...batch, ...parallel({ [name]: degree }) });
    expect([status, body.code]).toEqual([422, 'invalid_option']);
    expect(body.errors).toMatchObject([{ pointer: `/options/parallel_config/${name}` }]);
    expect(body.detail).toBe(`parallel_config.${name} is ${degree}, but ${says}`);
  });

  test.each([{ data_parallel: 0 }, { model_parallel: 1.5 }, { data_parallel: -2 }, { pipeline_parallel: 2 }, 4])(
    'as is %j, which is none',
    async (config) => {
      const { status, body } = await service.post({ ...batch, options: { parallel_config: config } });
      expect([status, body.code]).toEqual([422, 'invalid_option']);
    },
  );
});

describe('local losses', () => {
  const localLosses = async (request: object): Promise<number[] | undefined> => {
    const { status, body } = await service.post({ ...batch, ...request });
    expect(status, body.detail).toBe(200);
    return body.diagnostics.local_losses;
  };

  test('are the means of groups of consecutive rows, with 1e-8 in the denominator', async () => {
    const [a, b, c, d] = NLL as [number, number, number, number];
    expect(await localLosses(parallel({ data_parallel: 4 }))).toEqual(
      close([a, b, c, d].map((loss) => loss / (1 + 1e-8))),
    );
    expect(await localLosses(parallel({ data_parallel: 2 }))).toEqual(
      close([(a + b) / (2 + 1e-8), (c + d) / (2 + 1e-8)]),
    );
  });

  test('have that denominator under every semantics, and do not touch the loss', async () => {
    const [a, b, c, d] = NLL as [number, number, number, number];
    for (const semantics of ['mindformers', 'torch', 'megatron']) {
      const request = { ...batch, input_mask: [0.25, 0.25, 0.25, 0] };
      const { body } = await service.post({ ...request, ...parallel({ data_parallel: 2 }, { semantics }) });
      expect(body.diagnostics.local_losses).toEqual(
        close([(0.25 * (a + b)) / (0.5 + 1e-8), (0.25 * c) / (0.25 + 1e-8)]),
      );
      expect(body.loss).toBe((await service.post({ ...request, options: { semantics } })).body.loss);
    }
    expect(d).toBeGreaterThan(0);
  });

  test('are weighted by the mask, and 0 for a group that is left out', async () => {
    const [a, b] = NLL as [number, number];
    const losses = await localLosses({ input_mask: [2, 0.5, 0, 0], ...parallel({ data_parallel: 2 }) });
    expect(losses).toEqual(close([(2 * a + 0.5 * b) / (2.5 + 1e-8), 0]));
  });

  test('leave ignored rows out', async () => {
    const losses = await localLosses({ label: [-100, 5, 2, -100], ...parallel({ data_parallel: 2 }) });
    expect(losses).toEqual(close([NLL[1]! / (1 + 1e-8), NLL[2]! / (1 + 1e-8)]));
  });

  test('are divided by Σ m where classes have weights', async () => {
    const weight = [2, 1, 0.5, 3, 1, 4];
    const losses = await localLosses({ weight, ...parallel({ data_parallel: 2 }) });
    const weighted = NLL.map((loss, r) => loss * weight[LABELS[r]!]!);
    expect(losses).toEqual(
      close([(weighted[0]! + weighted[1]!) / (2 + 1e-8), (weighted[2]! + weighted[3]!) / (2 + 1e-8)]),
    );
  });

  test('with a shift are those of the rows that are scored, in groups of the rows that came', async () => {
    const logits = { dtype: 'float64', shape: [2, 2, CLASSES], data: ROWS_OF_FOUR };
    const label = { dtype: 'int32', shape: [2, 2], data: LABELS };
    const losses = await localLosses({ logits, label, ...parallel({ data_parallel: 2 }, { shift: 1 }) });
    const scored = [logSoftmax(ROWS_OF_FOUR[0]!)[5]!, logSoftmax(ROWS_OF_FOUR[2]!)[3]!];
    expect(losses).toEqual(close(scored.map((lp) => -lp / (1 + 1e-8))));
    // A group with only rows beyond the shift has the loss 0.
    const single = await localLosses({ logits, label, ...parallel({ data_parallel: 4 }, { shift: 1 }) });
    expect(single).toEqual(close([-scored[0]! / (1 + 1e-8), 0, -scored[1]! / (1 + 1e-8), 0]));
  });

  test('with a shift take the mask that goes with the label', async () => {
    const losses = await localLosses({ input_mask: [0, 2, 0, 1], ...parallel({ data_parallel: 2 }, { shift: 1 }) });
    const [first, third] = [-logSoftmax(ROWS_OF_FOUR[0]!)[5]!, -logSoftmax(ROWS_OF_FOUR[2]!)[3]!];
    expect(losses).toEqual(close([(2 * first) / (2 + 1e-8), third / (1 + 1e-8)]));
  });

  test('are NaN for the group of a row with a NaN alone', async () => {
    const logits = [
      [1, 2],
      [1, 2],
      ['NaN', 1],
      [1, 2],
    ];
    const request = { logits, label: [0, 0, 0, 0], ...parallel({ data_parallel: 2 }) };
    expect(await localLosses(request)).toEqual([expect.any(Number), 'NaN']);
  });

  test('of an empty batch are 0', async () => {
    const logits = { dtype: 'float32', shape: [0, 6], data: '' };
    const label = { dtype: 'int64', shape: [0], data: '' };
    expect(await localLosses({ logits, label, ...parallel({ data_parallel: 3 }) })).toEqual([0, 0, 0]);
  });

  test('come with check_for_nan_in_loss_and_grad, or with more than one group', async () => {
    expect(await localLosses({})).toBeUndefined();
    expect(await localLosses(parallel({ data_parallel: 1, model_parallel: 2 }))).toBeUndefined();
    const all = NLL.reduce((sum, loss) => sum + loss, 0) / (4 + 1e-8);
    expect(await localLosses({ options: { check_for_nan_in_loss_and_grad: true } })).toEqual(close([all]));
  });
});

describe('model_parallel', () => {
  const classes = 60;
  const label = Object.keys(ROWS).map((_, k) => (k * 7) % classes);
  const rows = Object.values(ROWS).map((make, r) => make(classes, label[r]!, seededRandom(r)));

  test.each(KERNEL_DTYPES)('gives every row the same loss, and lse to a last place of float32: %s', async (dtype) => {
    const options = { outputs: ['per_token_loss', 'lse'] };
    const request = { logits: tensor(JSON_TYPE, dtype, rows), label };
    const whole = await service.post({ ...request, options });
    const [wholeLse, wholeLoss] = [numbers(whole, 'lse'), numbers(whole, 'per_token_loss')];
    for (const model_parallel of [2, 3, 4, 5, 6, 60]) {
      const answer = await service.post({ ...request, ...parallel({ model_parallel }, options) });
      const [lse, loss] = [numbers(answer, 'lse'), numbers(answer, 'per_token_loss')];
      Object.keys(ROWS).forEach((kind, r) => {
        expectNear(lse[r]!, wholeLse[r]!, 2 ** -23 * Math.max(1, Math.abs(wholeLse[r]!)), kind);
        expectNear(loss[r]!, wholeLoss[r]!, 1e-6 * Math.max(1, Math.abs(wholeLoss[r]!)), kind);
      });
      expect(answer.body.diagnostics).toEqual(whole.body.diagnostics);
    }
  });

  test.each([
    ['label smoothing and weights', { label_smoothing: 0.1 }, { weight: [1, 2, 0.5, 0, 1, 3] }],
    ['a z-loss', { lse_square_scale: 0.01 }, {}],
    ['softcap', { softcap: 3 }, {}],
    ['class probabilities', {}, { label: float64(ROWS_OF_FOUR.map(() => [0.25, 0.25, 0, 0.125, 0.375, 0])) }],
    ['metrics', { metrics: ['accuracy', 'mean_entropy', 'ece'] }, {}],
    ['a gradient', { outputs: ['gradient'], check_for_nan_in_loss_and_grad: true }, {}],
  ])('agrees with whole rows under %s', async (_name, options, more) => {
    const whole = await service.post({ ...batch, ...more, options });
    for (const model_parallel of [2, 3, 6]) {
      const { body } = await service.post({ ...batch, ...more, ...parallel({ model_parallel }, options) });
      expect(body.loss).toBeCloseTo(whole.body.loss!, 12);
      expect(body.z_loss).toBeCloseTo(whole.body.z_loss, 12);
      for (const [name, value] of Object.entries(whole.body.metrics)) {
        expect(body.metrics).toHaveProperty(name, expect.closeTo(value, 12));
      }
      expect(body.outputs).toEqual(whole.body.outputs);
      expect(body.diagnostics.gradient).toEqual(whole.body.diagnostics.gradient);
    }
  });
});

function expectNear(got: number, wanted: number, bound: number, kind: string): void {
  if (!Number.isFinite(wanted)) expect(got, kind).toBe(wanted);
  else expect(Math.abs(got - wanted), kind).toBeLessThanOrEqual(bound);
}
