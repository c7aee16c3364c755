import { describe, expect, test } from 'vitest';
import { Service } from '../service.ts';

const service = Service.shared();

const soft = (rows: (number | string)[][]): unknown => ({
  dtype: 'float32',
  shape: [rows.length, rows[0]!.length],
  data: rows.flat(),
});

test.each([
  ['first', [1, 'Infinity', 0]],
  ['last', [0, 'Infinity', 0]],
])(
  'an infinite probability beside a logit of −Inf does not send the search for its place round for ever: %s',
  async (_name, p) => {
    const logits = [0, 1].map(() => [0, 1, '-Infinity']);
    for (const rows of [
      [p, [1, 0, 0]],
      [[1, 0, 0], p],
    ]) {
      const { status, body } = await service.post({ logits, label: soft(rows) });
      expect(status).toBe(200);
      expect(body.diagnostics.causes).toEqual([
        {
          cause: 'non_finite_probability',
          rows: 1,
          first: { row: rows.indexOf(p), column: 1, value: 'Infinity', is_label: true, masked: false },
        },
      ]);
    }
  },
);

test('a probability that overflows with its loss is told, without a place that is none', async () => {
  const label = { dtype: 'float64', shape: [1, 2], data: [1.7e308, 0] };
  const { status, body } = await service.post({ logits: { dtype: 'float64', shape: [1, 2], data: [-1e10, 0] }, label });
  expect(status).toBe(200);
  expect(body.numerator).toBe('Infinity');
});

test('label smoothing over a class of logit −Inf is told, with its place', async () => {
  const { body } = await service.post({
    logits: [
      [0, 1, 2],
      [0, 1, '-Infinity'],
    ],
    label: [0, 0],
    options: { label_smoothing: 0.1 },
  });
  expect(body.numerator).toBe('Infinity');
  expect(body.diagnostics.causes).toEqual([
    {
      cause: 'neg_inf_smoothed',
      rows: 1,
      first: { row: 1, column: 2, value: '-Infinity', is_label: false, masked: false },
    },
  ]);
});

test('a class of logit −Inf and of weight 0 has no share in the smoothing', async () => {
  const logits = [[0, 1, '-Infinity']];
  const { body } = await service.post({ logits, label: [0], weight: [1, 1, 0], options: { label_smoothing: 0.1 } });
  expect(body.diagnostics).toMatchObject({ verdict: 'finite', causes: [] });
});

test('a label of weight 0 at a logit of −Inf adds nothing', async () => {
  const logits = [
    ['-Infinity', 1, 2],
    [1, 2, 3],
  ];
  const { body } = await service.post({ logits, label: [0, 1], weight: [0, 1, 1] });
  const lse = Math.log(Math.exp(1) + Math.exp(2) + Math.exp(3));
  expect(body.numerator).toBeCloseTo(lse - 2, 6);
  expect(body.diagnostics.causes).toMatchObject([{ cause: 'neg_inf_at_label', rows: 1 }]);
});

test.each([
  [
    'a z-loss that overflows',
    { logits: { dtype: 'float64', shape: [1, 2], data: [1e200, 0] }, label: [0] },
    { lse_square_scale: 1, reduction: 'none' },
  ],
  ['a numerator that is NaN over a denominator of 0', { logits: [['NaN', 1, 2]], label: [0], weight: [0, 1, 1] }, {}],
])('%s is not finite, whatever the loss', async (_name, request, options) => {
  const { body } = await service.post({ ...request, options });
  expect(body.diagnostics.verdict).toBe('non_finite');
  const rejected = await service.post({ ...request, options: { ...options, on_non_finite: 'reject' } });
  expect([rejected.status, rejected.body.code]).toEqual([422, 'non_finite_loss']);
});

test('integers of shape (B, 1) are class indices of logits (B, 1, 1)', async () => {
  const { status, body } = await service.post({ logits: [[[1]], [[2]]], label: [[0], [0]] });
  expect([status, body.loss]).toEqual([200, 0]);
});

test.each([
  [{ ignore_index: Array.from({ length: 1025 }, (_, k) => k) }, '/options/ignore_index', 'at most 1024 entries'],
  [{ parallel_config: { data_paralel: 2 } }, '/options/parallel_config/data_paralel', 'did you mean data_parallel?'],
  [{ parallel_config: { model_parallel: 5000 } }, '/options/parallel_config', '[1, 4096]'],
])('options %j are refused with the bound, or the nearest name', async (options, pointer, says) => {
  const { status, body } = await service.post({ logits: [[1, 2]], label: [0], options });
  expect([status, body.errors?.[0]?.pointer]).toEqual([422, pointer]);
  expect(body.detail).toContain(says);
});

describe('overflow is told apart from what else is wrong', () => {
  const big = [1.7e308, -1.7e308];
  const logits = (rows: (number | string)[][]): object => ({
    dtype: 'float64',
    shape: [rows.length, rows[0]!.length],
    data: rows.flat(),
  });

  test.each<[string, object, object[]]>([
    [
      'a NaN in a row of an invalid label, whose loss is 0',
      { logits: logits([big, ['NaN', 1]]), label: [1, 7], options: { invalid_label: 'zero_loss' } },
      [
        { cause: 'nan_logit', rows: 1 },
        { cause: 'accumulation_overflow', rows: 1 },
      ],
    ],
    [
      'a label of weight 0 at −Inf',
      {
        logits: logits([
          [...big, 0],
          [0, 0, '-Infinity'],
        ]),
        label: [1, 2],
        weight: [1, 1, 0],
      },
      [
        { cause: 'neg_inf_at_label', rows: 1 },
        { cause: 'accumulation_overflow', rows: 1 },
      ],
    ],
    [
      '−Inf at another class',
      { logits: logits([[...big, '-Infinity']]), label: [1] },
      [{ cause: 'accumulation_overflow', rows: 1 }],
    ],
    [
      'a negative probability at −Inf, where nothing overflows',
      { logits: [[0, '-Infinity', 1]], label: [[0.5, -0.1, 0.6]] },
      [{ cause: 'neg_inf_at_label', rows: 1 }],
    ],
    [
      'a sum of finite rows',
      { logits: logits([big, big]), label: [1, 1], input_mask: [1e-1, 1e-1] },
      [{ cause: 'accumulation_overflow', rows: 2 }],
    ],
  ])('%s', async (_what, request, causes) => {
    const { status, body } = await service.post(request);
    expect(status).toBe(200);
    expect(body.diagnostics.verdict).toBe('non_finite');
    expect(body.diagnostics.causes).toMatchObject(causes);
    expect(body.diagnostics.causes).toHaveLength(causes.length);
  });
});

test('smoothing over −Inf in a row of an invalid label spoils nothing', async () => {
  const request = {
    logits: [
      [1, '-Infinity'],
      [0, 0],
    ],
    label: [9, 0],
  };
  const options = { label_smoothing: 0.1, invalid_label: 'zero_loss' };
  const { body } = await service.post({ ...request, options });
  expect(body.diagnostics).toMatchObject({ verdict: 'finite', causes: [] });
});

test('subnormal values of rows that are left out do not count, whatever outputs are asked for', async () => {
  const logits = { dtype: 'float16', shape: [4, 2], data: [1e-6, 1e-6, 1e-6, 1e-6, 1e-6, 1e-6, 1, 2] };
  for (const outputs of [[], ['lse']]) {
    const { body } = await service.post({
      logits,
      label: [0, 0, 0, 0],
      input_mask: [0, 0, 0, 1],
      options: { outputs },
    });
    expect(body.diagnostics.float16).toEqual({ at_largest: 0, subnormal_fraction: 0 });
  }
});

test('a label beyond 2^53 is no statistic', async () => {
  const label = { dtype: 'int64', shape: [2] };
  const { body } = await service.post({
    logits: [
      [0, 1],
      [1, 0],
    ],
    label: { ...label, data: Buffer.from(BigInt64Array.of(9007199254740993n, 1n).buffer).toString('base64') },
    options: { invalid_label: 'zero_loss' },
  });
  expect(body.diagnostics.labels).toEqual({ min: 1, out_of_range: 1 });
});
