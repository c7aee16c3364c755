/** Edge cases of the table in the semantics. Each test is named by its row. */
import { describe, expect, test } from 'vitest';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import { gradient, nll } from '../reference.ts';
import { decode, encode, seededRandom } from '../rows.ts';
import { JSON_TYPE, MSGPACK, Service } from '../service.ts';
import { LABEL, LOGITS, float64, numbers, rowsOf, tensor } from './known-batch.ts';

const service = Service.shared();

const NONE = { dtype: 'int64', shape: [0], data: '' };

describe('D = 0 (nothing counted, or all counted weights 0)', () => {
  test.each([
    ['mindformers', 0],
    ['torch', 'NaN'],
    ['megatron', 0],
  ])('is the mean of %s with nothing counted, or weights of 0 alone: %s', async (semantics, loss) => {
    for (const request of [
      { logits: LOGITS, label: [-100, -100, -100], options: { semantics } },
      { logits: LOGITS, label: LABEL, input_mask: [0, 0, 0], options: { semantics } },
      { logits: LOGITS, label: LABEL, weight: [0, 0, 1, 1, 0], options: { semantics } },
    ]) {
      const { status, body } = await service.post(request);
      expect(status).toBe(200);
      expect(body.loss).toBe(loss);
      expect(body.diagnostics.causes).toEqual([{ cause: 'zero_denominator', rows: 0 }]);
    }
  });

  test('a torch mean of nothing is NaN, and the verdict says so', async () => {
    const { body } = await service.post({
      logits: LOGITS,
      label: LABEL,
      input_mask: [0, 0, 0],
      options: { semantics: 'torch' },
    });
    expect(body.diagnostics.verdict).toBe('non_finite');
  });

  test('gives every row the gradient 0, but for torch NaN to those that are counted', async () => {
    const request = { logits: LOGITS.slice(0, 2), label: [1, -100], weight: [1, 0, 1, 1, 1] };
    const gradientOf = async (semantics: string): Promise<number[]> =>
      numbers(await service.post({ ...request, options: { semantics, outputs: ['gradient'] } }), 'gradient');
    expect(await gradientOf('mindformers')).toEqual(Array(10).fill(0));
    expect(await gradientOf('megatron')).toEqual(Array(10).fill(0));
    expect(await gradientOf('torch')).toEqual([...Array(5).fill(Number.NaN), ...Array(5).fill(0)]);
  });
});

describe('N = 0', () => {
  const logits = { dtype: 'float32', shape: [0, 5], data: '' };

  test.each([
    ['mindformers', 0],
    ['torch', 'NaN'],
    ['megatron', 0],
  ])('is the mean of %s with nothing counted: %s', async (semantics, loss) => {
    const { status, body } = await service.post({ logits, label: NONE, options: { semantics } });
    expect([status, body.loss]).toEqual([200, loss]);
    expect(body.diagnostics.causes).toEqual([{ cause: 'zero_denominator', rows: 0 }]);
  });

  test('has the sum 0, and no row losses and no gradient', async () => {
    const sum = await service.post({ logits, label: NONE, options: { reduction: 'sum', semantics: 'torch' } });
    expect([sum.body.loss, sum.body.diagnostics.verdict]).toEqual([0, 'finite']);
    const options = { reduction: 'none', outputs: ['gradient'] };
    const none = await service.post({ logits, label: NONE, options });
    expect(none.body).not.toHaveProperty('loss');
    expect(none.body.outputs).toEqual({
      gradient: { dtype: 'float32', shape: [0, 5], data: [] },
      per_token_loss: { dtype: 'float64', shape: [0], data: [] },
    });
  });

  test('an empty batch of many classes is a mean of nothing', async () => {
    const { status, body } = await service.post({
      logits: { dtype: 'float64', shape: [0, 2 ** 30], data: '' },
      label: { dtype: 'int64', shape: [0], data: '' },
    });
    expect([status, body.loss]).toEqual([200, 0]);
  });
});

describe('C = 1', () => {
  test('one class has cross-entropy 0', async () => {
    const { body } = await service.post({ logits: [[5], [-3]], label: [0, 0] });
    expect(body.loss).toBe(0);
  });

  test('and the gradient 0, but for a z-loss', async () => {
    const request = { logits: [[5], [-3]], label: [0, 0] };
    const options = { outputs: ['gradient'], reduction: 'sum', label_smoothing: 0.1 };
    const plain = await service.post({ ...request, options });
    expect([plain.body.loss, numbers(plain, 'gradient')]).toEqual([0, [0, 0]]);
    const withZ = await service.post({ ...request, options: { ...options, lse_square_scale: 0.5 } });
    expect([withZ.body.loss, numbers(withZ, 'gradient')]).toEqual([17, [5, -3]]);
  });
});

describe('label out of [0, C), not ignored, counted', () => {
  test('several wrong labels are named with their rows, and the rest is counted', async () => {
    const wrong = { logits: Array.from({ length: 9 }, () => [0, 1]), label: [0, 2, 1, 3, 4, 5, 6, 7, -5] };
    const { body } = await service.post(wrong);
    expect(body.errors?.map((error) => error.pointer)).toEqual([
      '/label/data/1',
      '/label/data/3',
      '/label/data/4',
      '/label/data/5',
    ]);
    expect(body.detail).toContain('and 3 more of 9 rows');
  });

  test('labels are checked on counted rows only', async () => {
    const { status, body } = await service.post({ logits: LOGITS, label: [1, 99, -100], input_mask: [1, 0, 1] });
    expect(status).toBe(200);
    expect(body.rows).toEqual({ total: 3, counted: 1, ignored: 1, masked: 1 });
  });
});

describe('−inf at a non-target class, ε = 0', () => {
  const logits = [[1, '-Infinity', 2, '-Infinity', 0]];

  test.each(KERNEL_DTYPES)('is finite: that class has probability 0, and the gradient 0, in %s', async (dtype) => {
    const options = { outputs: ['gradient'], reduction: 'sum' };
    const answer = await service.post({ logits: { dtype, shape: [1, 5], data: logits }, label: [0], options });
    expect(answer.body.loss).toBeCloseTo(nll([1, 2, 0], 0), 6);
    const g = numbers(answer, 'gradient');
    expect([g[1], g[3]]).toEqual([0, 0]);
    expect(g[0]! + g[2]! + g[4]!).toBeCloseTo(0, 2);
    expect(answer.body.diagnostics).toMatchObject({
      verdict: 'finite',
      causes: [],
      logits: { neg_inf: 2, bad_rows: 1 },
    });
  });

  test('with ε > 0 the loss is +inf', async () => {
    const { body } = await service.post({ logits, label: [0], options: { label_smoothing: 0.1 } });
    expect([body.loss, body.mean_nll]).toEqual(['Infinity', expect.any(Number)]);
  });
});

describe('−inf at the target', () => {
  const request = {
    logits: [
      [0, 1],
      [0, '-Infinity'],
    ],
    label: [0, 1],
  };

  test('loss +inf, cause neg_inf_at_label', async () => {
    const { body } = await service.post(request);
    expect(body.loss).toBe('Infinity');
    const first = { row: 1, column: 1, value: '-Infinity', is_label: true, masked: false };
    expect(body.diagnostics).toMatchObject({
      verdict: 'non_finite',
      causes: [{ cause: 'neg_inf_at_label', rows: 1, first }],
    });
  });

  test('the gradient is finite all the same', async () => {
    const options = { outputs: ['gradient'], reduction: 'sum' };
    expect(numbers(await service.post({ ...request, options }), 'gradient').slice(2)).toEqual([1, -1]);
  });
});

describe('a row all −inf, or any +inf or NaN in it', () => {
  test.each([
    ['all_neg_inf_row', ['-Infinity', '-Infinity', '-Infinity'], 0],
    ['pos_inf_logit', [0, 1, 'Infinity'], 2],
    ['nan_logit', [0, 'NaN', 1], 1],
  ])('NaN, with the cause %s and its place', async (cause, row, column) => {
    for (const dtype of KERNEL_DTYPES) {
      const logits = { dtype, shape: [2, 3], data: [0, 1, 2, ...row] };
      const { body } = await service.post({ logits, label: [0, 0], options: { outputs: ['per_token_loss'] } });
      expect([body.loss, body.outputs['per_token_loss']!.data[1]]).toEqual(['NaN', 'NaN']);
      expect(body.diagnostics.causes).toMatchObject([{ cause, rows: 1, first: { row: 1, column } }]);
    }
  });

  test('has a gradient row of NaN, and the others have theirs', async () => {
    const logits = [
      [0, 0],
      ['NaN', 1],
      ['Infinity', 1],
      ['-Infinity', '-Infinity'],
      [0, 0],
    ];
    const options = { outputs: ['gradient'], reduction: 'sum', check_for_nan_in_loss_and_grad: true };
    const answer = await service.post({ logits, label: [0, 0, 0, 0, 1], options });
    const bad = [Number.NaN, Number.NaN];
    expect(rowsOf(numbers(answer, 'gradient'), 2)).toEqual([[-0.5, 0.5], bad, bad, bad, [0.5, -0.5]]);
    expect(answer.body.diagnostics.gradient).toEqual({ norm: 'NaN', finite: false });
  });

  test('softcap makes infinities finite, and the diagnostics still report them', async () => {
    const { body } = await service.post({
      logits: [[1, 'Infinity', '-Infinity']],
      label: [1],
      options: { softcap: 2 },
    });
    const x = [2 * Math.tanh(0.5), 2, -2];
    const expected = Math.log(x.reduce((sum, value) => sum + Math.exp(value), 0)) - 2;
    expect(body.numerator).toBeCloseTo(expected, 6);
    expect(body.diagnostics.logits).toEqual({ nan: 0, pos_inf: 1, neg_inf: 1, max: 1, bad_rows: 1 });
    expect(body.diagnostics.verdict).toBe('finite');
    expect(body.diagnostics.locations).toMatchObject([{ column: 1 }, { column: 2 }]);
    expect(body.kernel).toBe('f32-relaxed-simd');
  });
});

test.each(KERNEL_DTYPES)('−inf in the first tile of a row only: %s', async (dtype) => {
  const random = seededRandom(1);
  for (const tile of [256, 300, 512]) {
    const row = Array.from({ length: 700 }, (_, c) => (c < tile ? -Infinity : 4 * random()));
    const request = { label: [600], logits: tensor(MSGPACK, dtype, [row]) };
    const { body } = await service.post(request, { type: MSGPACK, headers: { accept: MSGPACK } });
    expect(body.numerator).toBeCloseTo(nll(decode(dtype, encode(dtype, row)), 600), 5);
    expect(body.diagnostics.verdict).toBe('finite');
  }
});

describe('values at ±1e4 with small differences', () => {
  test.each([1e4, -1e4])('full accuracy at %d', async (offset) => {
    const small = Array.from({ length: 1000 }, (_, c) => ((c * 37) % 1000) / 512);
    const row = small.map((x) => offset + x);
    const options = { outputs: ['gradient'], gradient_dtype: 'float32' };
    for (const [dtype, bound] of [
      ['float32', 2e-6],
      ['float64', 1e-12],
    ] as const) {
      const request = { label: [123], options, logits: tensor(JSON_TYPE, dtype, [row]) };
      const answer = await service.post(request);
      expect(
        Math.abs(
          answer.body.numerator -
            nll(
              small.map((x) => x),
              123,
            ),
        ),
      ).toBeLessThan(bound);
      const wanted = gradient(
        small,
        Float64Array.from(small, (_, c) => Number(c === 123)),
      );
      numbers(answer, 'gradient').forEach((g, c) => expect(Math.abs(g - wanted[c]!)).toBeLessThan(2e-7));
    }
  });
});

test.each(KERNEL_DTYPES)('row spanning more than 88: %s', async (dtype) => {
  const row = [-500, -400, 500, 499, -65504];
  const options = { outputs: ['gradient', 'per_token_loss'], reduction: 'sum' };
  const answer = await service.post({ logits: tensor(JSON_TYPE, dtype, [row, row]), label: [2, 0], options });
  const rounded = decode(dtype, encode(dtype, row));
  numbers(answer, 'per_token_loss').forEach((loss, k) => expect(loss).toBeCloseTo(nll(rounded, [2, 0][k]!), 5));
  const g = numbers(answer, 'gradient');
  expect([g[0], g[1], g[4]], 'terms underflow to 0').toEqual([0, 0, 0]);
  expect(g.every(Number.isFinite)).toBe(true);
});

describe('NaN in a masked or ignored row', () => {
  test('is a warning with its place, and the loss is finite', async () => {
    const logits = [
      [1, 2],
      ['NaN', 2],
      [1, 'Infinity'],
      [3, 1],
    ];
    const { body } = await service.post({ logits, label: [0, 0, -100, 1], input_mask: [1, 0, 1, 1] });
    expect(body.diagnostics).toMatchObject({ verdict: 'finite', causes: [], masked_rows_non_finite: 2 });
    expect(body.diagnostics.logits.bad_rows).toBe(0);
    expect(body.diagnostics.locations).toEqual([
      { row: 1, column: 0, value: 'NaN', is_label: false, masked: true },
      { row: 2, column: 1, value: 'Infinity', is_label: false, masked: true },
    ]);
    expect(body.rows).toEqual({ total: 4, counted: 2, ignored: 1, masked: 1 });
    const without = await service.post({ logits: [logits[0], logits[3]], label: [0, 1] });
    expect(body.numerator).toBe(without.body.numerator);
  });

  test('gives the row the gradient 0', async () => {
    const logits = [
      ['NaN', 2],
      [0, 0],
      [1, 'Infinity'],
      ['-Infinity', '-Infinity'],
    ];
    const options = { outputs: ['gradient'], check_for_nan_in_loss_and_grad: true, semantics: 'torch' };
    const answer = await service.post({ logits, label: [0, 1, -100, 0], input_mask: [0, 1, 1, 0], options });
    expect(numbers(answer, 'gradient')).toEqual([0, 0, 0.5, -0.5, 0, 0, 0, 0]);
    expect(answer.body.diagnostics.gradient!.norm).toBeCloseTo(Math.SQRT1_2, 7);
    expect(answer.body.diagnostics.gradient!.finite).toBe(true);
  });
});

test('float16 logits, 100,000 rows', async () => {
  const N = 100_000;
  const logits = {
    dtype: 'float16',
    shape: [N, 2],
    data: encode(
      'float16',
      Array.from({ length: 2 * N }, (_, k) => (k % 2 === 0 ? 0 : 1000)),
    ),
  };
  const label = { dtype: 'int8', shape: [N], data: new Int8Array(N) };
  const { body } = await service.post({ label, logits }, { type: MSGPACK });
  expect(body.numerator).toBe(1e8);
});

describe('label_smoothing outside [0,1], softcap ≤ 0, logit_scale ≤ 0, lse_square_scale < 0, non-finite options, negative or non-finite mask or weight', () => {
  test.each([
    ['label_smoothing', -0.1],
    ['label_smoothing', 1.1],
    ['lse_square_scale', -1],
    ['lse_square_scale', 'NaN'],
    ['softcap', 0],
    ['softcap', -30],
    ['logit_scale', 0],
    ['logit_scale', -1],
    ['label_smoothing', 'NaN'],
    ['softcap', 'Infinity'],
    ['logit_scale', 'Infinity'],
    ['shift', -1],
    ['shift', 0.5],
  ])('%s of %j is refused with its bounds', async (name, value) => {
    const { status, body } = await service.post({ logits: LOGITS, label: LABEL, options: { [name]: value } });
    expect([status, body.code]).toEqual([422, 'invalid_option']);
    expect(body.detail).toContain(`options.${name} is ${JSON.stringify(value)}, expected`);
  });

  test.each([
    [[1, 2], 'shape_mismatch', '(2,)'],
    [[1, 1, 1, 1, -1], 'invalid_weight', 'weight[4] is -1'],
    [[1, 1, 1, 1, 'NaN'], 'invalid_weight', 'weight[4] is NaN'],
    [['Infinity', 1, 1, 1, 1], 'invalid_weight', 'weight[0] is Infinity'],
  ])('weight %j is refused', async (weight, code, says) => {
    const { status, body } = await service.post({ logits: LOGITS, label: LABEL, weight });
    expect([status, body.code]).toEqual([422, code]);
    expect(body.detail).toContain(says);
  });

  test.each([Number.NaN, Infinity, -Infinity])('an option of %d in MessagePack is refused', async (value) => {
    for (const name of ['label_smoothing', 'lse_square_scale', 'softcap', 'logit_scale']) {
      const request = { options: { [name]: value }, label: LABEL, logits: tensor(MSGPACK, 'float32', LOGITS) };
      const { status, body } = await service.post(request, { type: MSGPACK });
      expect([status, body.code]).toEqual([422, 'invalid_option']);
    }
  });

  test.each([-1, 'NaN', 'Infinity'])('a mask of %s is refused', async (m) => {
    const { status, body } = await service.post({ logits: LOGITS, label: LABEL, input_mask: [1, 1, m] });
    expect([status, body.code]).toEqual([422, 'invalid_mask']);
    expect(body.detail).toContain(`input_mask[2] is ${m}`);
  });
});

test('probability rows that do not sum to 1 (±1e-3) or are negative', async () => {
  const label = float64([
    [0.5, 0.25, 0.25],
    [0.5, 0.25, 0.2509],
    [0.5, 0.25, 0.2511],
    [0.4, 0.25, 0.25],
    [1.5, -0.5, 0],
    [-1, 0, 0],
    [9, 9, 9],
  ]);
  const logits = float64(Array.from({ length: 7 }, () => [1, 2, 3]));
  const { status, body } = await service.post({ logits, label, input_mask: [1, 1, 1, 1, 1, 1, 0] });
  expect([status, body.diagnostics.verdict]).toEqual([200, 'finite']);
  expect(body.diagnostics.probabilities, 'of counted rows').toEqual({ not_one: 3, negative: 2 });
  const ofClass = [1, 2, 3].map((_x, c) => nll([1, 2, 3], c));
  const sums = [0.5 + 0.5 + 0.5 + 0.4 + 1.5 - 1, 0.25 * 4 - 0.5, 0.25 + 0.2509 + 0.2511 + 0.25];
  expect(body.numerator).toBeCloseTo(sums[0]! * ofClass[0]! + sums[1]! * ofClass[1]! + sums[2]! * ofClass[2]!, 12);
});

test('label as float with shape (N,)', async () => {
  for (const label of [{ dtype: 'float32', shape: [3], data: LABEL }, [1.5, 4, 0]]) {
    const { status, body } = await service.post({ logits: LOGITS, label });
    expect([status, body.code]).toEqual([422, 'invalid_label']);
    expect(body.detail).toContain('label is float32 of shape (3,), and logits have shape (3, 5)');
    expect(body.detail).toContain('class indices are integers');
    expect(body.detail).toContain('class probabilities are floating point and shaped like the logits');
  }
});

describe('int8…int64, uint8…uint64 labels', () => {
  const logits = tensor(MSGPACK, 'float32', LOGITS);
  const post = (dtype: string, values: { buffer: ArrayBuffer }, options: object = {}) =>
    service.post(
      { label: { dtype, shape: [3], data: new Uint8Array(values.buffer) }, options, logits },
      { type: MSGPACK },
    );

  test.each([
    ['int8', Int8Array.from(LABEL)],
    ['int16', Int16Array.from(LABEL)],
    ['int32', Int32Array.from(LABEL)],
    ['int64', BigInt64Array.from(LABEL, BigInt)],
    ['uint8', Uint8Array.from(LABEL)],
    ['uint16', Uint16Array.from(LABEL)],
    ['uint32', Uint32Array.from(LABEL)],
    ['uint64', BigUint64Array.from(LABEL, BigInt)],
  ])('%s is accepted', async (dtype, values) => {
    const { status, body } = await post(dtype, values);
    expect([status, body.rows.counted]).toEqual([200, 3]);
    expect(body.loss).toBeCloseTo(1.4249971, 6);
  });

  test.each([
    ['int8', Int8Array.of(-100, 4, 0)],
    ['int16', Int16Array.of(-100, 4, 0)],
    ['int32', Int32Array.of(-100, 4, 0)],
    ['int64', BigInt64Array.of(-100n, 4n, 0n)],
  ])('%s may be ignored', async (dtype, values) => {
    expect((await post(dtype, values)).body.rows).toEqual({ total: 3, counted: 2, ignored: 1, masked: 0 });
  });

  test('values beyond 2^53 are never rounded to a value that is ignored', async () => {
    const options = { ignore_index: Number.MIN_SAFE_INTEGER };
    const { status, body } = await post('int64', BigInt64Array.of(-(2n ** 53n), -(2n ** 53n) + 1n, 0n), options);
    expect([status, body.code]).toEqual([422, 'invalid_label']);
    expect(body.detail).toContain('label[0] is -9007199254740992,');
    expect(body.errors).toHaveLength(1);
  });

  test('values whose low 32 bits are a class are no class', async () => {
    const { status, body } = await post('int64', BigInt64Array.of(2n ** 32n + 1n, 4n, -(2n ** 32n)));
    expect([status, body.code]).toEqual([422, 'invalid_label']);
    expect(body.detail).toContain('label[0] is 4294967297,');
    expect(body.detail).toContain('label[2] is -4294967296,');
  });

  test('a uint64 label is never negative', async () => {
    const label = {
      dtype: 'uint64',
      shape: [3],
      data: new Uint8Array(BigUint64Array.of(2n ** 64n - 100n, 1n, 0n).buffer),
    };
    const { status, body } = await service.post(
      { label, logits: tensor(MSGPACK, 'float32', LOGITS) },
      { type: MSGPACK },
    );
    expect([status, body.code]).toEqual([422, 'invalid_label']);
    expect(body.detail).toContain('label[0] is 18446744073709551516');
  });

  test('int64 labels beyond 2^53 are refused with their exact value', async () => {
    const label = {
      dtype: 'int64',
      shape: [2],
      data: new Uint8Array(BigInt64Array.of(2n ** 53n + 1n, -(2n ** 62n) - 1n).buffer),
    };
    const logits = tensor(MSGPACK, 'float32', [
      [1, 2, 3],
      [0, 1, 0],
    ]);
    const { body } = await service.post({ label, logits }, { type: MSGPACK });
    expect(body.detail).toContain('label[0] is 9007199254740993,');
    expect(body.detail).toContain('label[1] is -4611686018427387905,');
  });
});
