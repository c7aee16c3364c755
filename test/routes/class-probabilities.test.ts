import { describe, expect, test } from 'vitest';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import { exactSum, gradient, logSoftmax } from '../reference.ts';
import { decode, encode } from '../rows.ts';
import { JSON_TYPE, MSGPACK, Service } from '../service.ts';
import { LABEL, LOGITS, close, float64, numbers, rowsOf, tensor } from './known-batch.ts';

const service = Service.shared();

const PROBABILITIES = [
  [0.125, 0.5, 0.25, 0.125, 0],
  [0, 0, 0, 0, 1],
  [0.25, 0.25, 0.25, 0.125, 0.125],
];
const WEIGHT = [1, 0.5, 2, 0, 3];
const logits = float64(LOGITS);
const label = float64(PROBABILITIES);

/** −Σ_c w_c·p_c·lp_c of each row. */
function rowLosses(probabilities: number[][], weight = [1, 1, 1, 1, 1]): number[] {
  return probabilities.map((p, r) => {
    const lp = logSoftmax(LOGITS[r]!);
    return exactSum(p.map((value, c) => -weight[c]! * value * lp[c]!));
  });
}

test('the loss of a row is −Σ p·log softmax, and the mean is over rows', async () => {
  const options = { outputs: ['per_token_loss'], semantics: 'torch' };
  const answer = await service.post({ logits, label, options });
  const losses = rowLosses(PROBABILITIES);
  expect(numbers(answer, 'per_token_loss')).toEqual(close(losses));
  expect(answer.body.loss).toBeCloseTo(exactSum(losses) / 3, 12);
  expect([answer.body.denominator, answer.body.mean_nll]).toEqual([3, answer.body.loss]);
  expect(answer.body.diagnostics.probabilities).toEqual({ not_one: 0, negative: 0 });
});

test('weights enter class by class, and not the denominator, which is Σ m', async () => {
  const options = { outputs: ['per_token_loss'] };
  const answer = await service.post({ logits, label, weight: WEIGHT, input_mask: [2, 0.5, 1], options });
  const losses = rowLosses(PROBABILITIES, WEIGHT);
  expect(numbers(answer, 'per_token_loss')).toEqual(close([2 * losses[0]!, 0.5 * losses[1]!, losses[2]!]));
  expect(answer.body.denominator).toBe(3.5);
  const [first, second, third] = rowLosses(PROBABILITIES);
  expect(answer.body.mean_nll, 'is unweighted').toBeCloseTo((2 * first! + 0.5 * second! + third!) / 3.5, 12);
});

test('label smoothing mixes them with the uniform distribution', async () => {
  const options = { outputs: ['per_token_loss'], label_smoothing: 0.25 };
  const answer = await service.post({ logits, label, weight: WEIGHT, options });
  const smoothed = PROBABILITIES.map((p) => p.map((value) => 0.75 * value + 0.05));
  expect(numbers(answer, 'per_token_loss')).toEqual(close(rowLosses(smoothed, WEIGHT)));
});

test('the gradient is s·Σ w·p − w·p, divided by the mean’s denominator', async () => {
  const options = { outputs: ['gradient'], semantics: 'torch' };
  const answer = await service.post({ logits, label, weight: WEIGHT, input_mask: [1, 0, 3], options });
  const rows = rowsOf(numbers(answer, 'gradient'), 5);
  const wanted = PROBABILITIES.map((p, r) =>
    gradient(
      LOGITS[r]!,
      Float64Array.from(p, (value, c) => value * WEIGHT[c]!),
    ),
  );
  expect(rows[0]!).toEqual(close(Array.from(wanted[0]!, (g) => g / 4)));
  expect(rows[1]).toEqual([0, 0, 0, 0, 0]);
  expect(rows[2]!).toEqual(close(Array.from(wanted[2]!, (g) => (3 * g) / 4)));
});

test.each(KERNEL_DTYPES)('may be %s, whatever the dtype of the logits', async (dtype) => {
  const request = { logits, label: tensor(JSON_TYPE, dtype, PROBABILITIES) };
  const rounded = rowsOf(Array.from(decode(dtype, encode(dtype, PROBABILITIES.flat()))), 5);
  const { body } = await service.post(request);
  expect(body.numerator).toBeCloseTo(exactSum(rowLosses(rounded)), 12);
});

test('may be (N, C) for logits of more axes; the rows have the shape of class indices', async () => {
  const deep = { dtype: 'float64', shape: [3, 1, 5], data: LOGITS };
  const options = { reduction: 'none' };
  const flat = await service.post({ logits: deep, label, options });
  expect(flat.body.outputs['per_token_loss']!.shape).toEqual([3]);
  const alike = await service.post({
    logits: deep,
    label: { dtype: 'float64', shape: [3, 1, 5], data: PROBABILITIES },
    options,
  });
  expect(alike.body.outputs['per_token_loss']!.shape).toEqual([3, 1]);
  expect(numbers(alike, 'per_token_loss')).toEqual(close(rowLosses(PROBABILITIES)));
  expect(numbers(flat, 'per_token_loss')).toEqual(numbers(alike, 'per_token_loss'));
});

test('with a shift the row at t is scored against the probabilities and the mask at t + k', async () => {
  const options = { outputs: ['per_token_loss'], shift: 1 };
  const answer = await service.post({ logits, label, input_mask: [0, 1, 2], options });
  const [first, second] = rowLosses([PROBABILITIES[1]!, PROBABILITIES[2]!]);
  expect(numbers(answer, 'per_token_loss')).toEqual(close([first!, 2 * second!]));
  expect(answer.body.rows).toEqual({ total: 2, counted: 2, ignored: 0, masked: 0 });
});

test('the most probable class, the first of equals, stands for the label in ranks and accuracy', async () => {
  const options = { outputs: ['target_rank'], metrics: ['accuracy'] };
  const scores = [
    [0, 9, 1],
    [0, 9, 1],
    [5, 9, 1],
  ];
  const soft = float64([
    [0.2, 0.5, 0.3],
    [0.3, 0.35, 0.35],
    [0.4, 0.2, 0.4],
  ]);
  const answer = await service.post({ logits: scores, label: soft, options });
  expect(numbers(answer, 'target_rank')).toEqual([0, 0, 1]);
  expect(answer.body.metrics.accuracy).toBeCloseTo(2 / 3, 15);
});

describe('a logit of −Inf', () => {
  const infinite = [[1, '-Infinity', 2]];
  const options = { outputs: ['gradient', 'per_token_loss'] };

  test('at a class of probability 0 adds nothing', async () => {
    const answer = await service.post({
      logits: float64([[1, -Infinity, 2]]),
      label: float64([[0.25, 0, 0.75]]),
      options,
    });
    const without = await service.post({ logits: float64([[1, 2]]), label: float64([[0.25, 0.75]]), options });
    expect(answer.body.numerator).toBeCloseTo(without.body.numerator, 12);
    expect(answer.body.diagnostics).toMatchObject({ verdict: 'finite', causes: [] });
    expect(numbers(answer, 'gradient')[1]).toBe(0);
  });

  test('at a class of weight 0 adds nothing', async () => {
    const request = { logits: infinite, label: float64([[0.25, 0.5, 0.25]]), weight: [1, 0, 1] };
    expect((await service.post(request)).body.numerator).toEqual(expect.any(Number));
  });

  test('at a class of positive probability makes the loss +Inf, and is named', async () => {
    const rows = [
      [0, 0, 0, 0],
      ['-Infinity', 1, '-Infinity', '-Infinity'],
      ['-Infinity', 1, 2, 3],
    ];
    const soft = float64([
      [0.25, 0.25, 0.25, 0.25],
      [0, 0.9, 0, 0.1],
      [1, 0, 0, 0],
    ]);
    const { body } = await service.post({ logits: rows, label: soft });
    expect(body.loss).toBe('Infinity');
    const first = { row: 1, column: 3, value: '-Infinity', is_label: false, masked: false };
    expect(body.diagnostics.causes).toEqual([{ cause: 'neg_inf_at_label', rows: 2, first }]);
  });

  test('at the most probable class is named as the label', async () => {
    const { body } = await service.post({ logits: infinite, label: float64([[0.1, 0.8, 0.1]]) });
    expect(body.diagnostics.causes).toMatchObject([
      { cause: 'neg_inf_at_label', first: { column: 1, is_label: true } },
    ]);
  });

  test('at a class whose probability smoothing alone makes positive makes the loss +Inf', async () => {
    const request = { logits: infinite, label: float64([[0.25, 0, 0.75]]), options: { label_smoothing: 0.1 } };
    expect((await service.post(request)).body.loss).toBe('Infinity');
  });
});

describe('a probability that is not finite', () => {
  test.each(['NaN', 'Infinity', '-Infinity'])('%s is named by its cause and its place', async (value) => {
    const soft = { dtype: 'float32', shape: [2, 3], data: [0.5, 0.25, 0.25, 0, 0.5, value] };
    const { body } = await service.post({
      logits: [
        [1, 2, 3],
        [1, 2, 3],
      ],
      label: soft,
    });
    expect(body.diagnostics.verdict).toBe('non_finite');
    const first = { row: 1, column: 2, value, is_label: value === 'Infinity', masked: false };
    expect(body.diagnostics.causes).toEqual([{ cause: 'non_finite_probability', rows: 1, first }]);
    expect(body.diagnostics.logits.bad_rows).toBe(0);
  });

  test('does not matter in a masked row', async () => {
    const soft = { dtype: 'float32', shape: [2, 3], data: [0.5, 0.25, 0.25, 0, 0.5, 'NaN'] };
    const options = { outputs: ['gradient'] };
    const answer = await service.post({
      logits: [
        [1, 2, 3],
        [1, 2, 3],
      ],
      label: soft,
      input_mask: [1, 0],
      options,
    });
    expect(answer.body.diagnostics).toMatchObject({ verdict: 'finite', causes: [] });
    expect(numbers(answer, 'gradient').slice(3)).toEqual([0, 0, 0]);
  });
});

describe('refused:', () => {
  test.each([[-100], [1], [[]]])('ignore_index %j, be it the default', async (ignore_index) => {
    const { status, body } = await service.post({ logits, label, options: { ignore_index } });
    expect([status, body.code]).toEqual([422, 'invalid_option']);
    expect(body.errors).toMatchObject([{ pointer: '/options/ignore_index' }]);
    expect(body.detail).toContain('leave rows out by input_mask');
  });

  test('integers shaped like the logits', async () => {
    for (const dtype of ['uint8', 'int64', 'bool']) {
      const { status, body } = await service.post({ logits, label: { dtype, shape: [3, 5], data: Array(15).fill(0) } });
      expect([status, body.code]).toEqual([422, 'invalid_label']);
      expect(body.errors).toMatchObject([{ pointer: '/label' }]);
      expect(body.detail).toContain(`label is ${dtype} of shape (3, 5)`);
      expect(body.detail).toContain('one-hot labels are class probabilities: send them as floating point');
    }
  });

  test('floats of another shape', async () => {
    for (const shape of [[5, 3], [15], [3, 5, 1], [1, 3, 5]]) {
      const { status, body } = await service.post({
        logits,
        label: { dtype: 'float32', shape, data: Array(15).fill(0.2) },
      });
      expect([status, body.code]).toEqual([422, 'invalid_label']);
    }
  });
});

describe('numbers without a dtype that are shaped like the logits', () => {
  const scores = [
    [1, 2],
    [3, 4],
  ];
  const oneHot = [
    [1, 0],
    [0, 1],
  ];
  const options = { semantics: 'torch' };

  test.each([JSON_TYPE, MSGPACK])('are class probabilities though they are whole, in %s', async (type) => {
    for (const given of [oneHot, { data: oneHot }, { shape: [2, 2], data: oneHot.flat() }]) {
      // Sends the label before and after the logits.
      for (const request of [
        { label: given, logits: scores, options },
        { options, logits: scores, label: given },
      ]) {
        const { body } = await service.post(request, { type });
        expect(body.loss).toBeCloseTo(0.8132616875, 7);
      }
    }
  });

  test('are read from text with a point and without one alike', async () => {
    const text = '{"logits":[[1,2],[3,4]],"label":[[1.0,0.0],[0.0,1.0]],"options":{"semantics":"torch"}}';
    expect((await service.post(text)).body.loss).toBeCloseTo(0.8132616875, 7);
  });

  test('are class probabilities of (N, C) rows of more axes, and of booleans', async () => {
    const deep = { dtype: 'float64', shape: [2, 1, 2], data: scores.flat() };
    const label = [
      [true, false],
      [false, true],
    ];
    expect((await service.post({ logits: deep, label, options })).body.loss).toBeCloseTo(0.8132616875, 9);
  });

  test('are class indices where that fits too', async () => {
    const logits = { dtype: 'float64', shape: [2, 1, 1], data: [1, 2] };
    const { body } = await service.post({ logits, label: [[0], [0]] });
    expect(body.diagnostics.labels).toEqual({ min: 0, max: 0, out_of_range: 0 });
  });

  test('are the same in a text that a thread reads', async () => {
    const rows = 40_000;
    const label = Array.from({ length: rows }, (_, row) => [row % 2, 1 - (row % 2)]);
    const logits = Array.from({ length: rows }, () => [1, 2]);
    const large = await service.post({ label, logits, options });
    expect(large.body.diagnostics.probabilities).toEqual({ not_one: 0, negative: 0 });
    expect(large.body.loss).toBeCloseTo(0.8132616875, 7);
  });

  test('of a shard of the vocabulary are those of its classes', async () => {
    const shards = [
      { vocab_start: 0, logits: [[1], [3]], label: [[1], [0]] },
      { vocab_start: 1, logits: [[2], [4]], label: [[0], [1]] },
    ];
    const partials = await Promise.all(
      shards.map(async (shard) => {
        const path = '/v1/cross-entropy/partials';
        return (await service.post({ ...shard, vocab_size: 2, options }, { path })).body;
      }),
    );
    const { body } = await service.post({ partials }, { path: '/v1/cross-entropy/combine' });
    expect(body.loss).toBeCloseTo(0.8132616875, 7);
  });
});

describe('whole numbers without a dtype that are not shaped like the logits', () => {
  /** MessagePack of {"label": [1.0, 0.0], "logits": [[1, 2], [3, 1]]}: the labels are float64. */
  const PACKED = Buffer.concat([
    Buffer.of(0x82, 0xa5, ...Buffer.from('label'), 0x92, 0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xcb, ...Buffer.alloc(8)),
    Buffer.of(0xa6, ...Buffer.from('logits'), 0x92, 0x92, 1, 2, 0x92, 3, 1),
  ]);

  test.each([
    ['1.0 in JSON', JSON_TYPE, '{"label":[1.0,0.0],"logits":[[1,2],[3,1]]}'],
    ['float64 in MessagePack', MSGPACK, PACKED],
  ])('are class indices however they are written: %s', async (_what, type, request) => {
    const { status, body } = await service.post(request, { type });
    expect([status, body.diagnostics.labels]).toEqual([200, { min: 0, max: 1, out_of_range: 0 }]);
  });

  test('are refused with a dtype of floats', async () => {
    const label = { dtype: 'float64', shape: [2], data: [1, 0] };
    for (const type of [JSON_TYPE, MSGPACK]) {
      const answer = await service.post(
        {
          label,
          logits: [
            [1, 2],
            [3, 1],
          ],
        },
        { type },
      );
      expect([answer.status, answer.body.code]).toEqual([422, 'invalid_label']);
    }
  });
});

test('answers to class indices say nothing of probabilities', async () => {
  expect((await service.post({ logits, label: LABEL })).body.diagnostics).not.toHaveProperty('probabilities');
});
