import { describe, expect, test } from 'vitest';
import { FLOAT_DTYPES } from '../../src/tensor/dtype.ts';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import { encode } from '../rows.ts';
import { JSON_TYPE, MSGPACK, Service } from '../service.ts';

const service = Service.start();

const LOGITS = [
  [-0.438346, 0.582246, 0.842038, -0.591126, 0.590775],
  [-0.968004, 0.189337, 0.982326, 0.374514, 0.851041],
  [0.269876, 0.195891, 0.74878, -0.056748, 0.263205],
];
const LABEL = [1, 4, 0];

/** A tensor for a media type: bytes in MessagePack, base64 in JSON. */
function tensor(type: string, dtype: FloatDType, values: number[][]): unknown {
  const bytes = encode(dtype, values.flat());
  const data = type === JSON_TYPE ? Buffer.from(bytes).toString('base64') : bytes;
  return { dtype, shape: [values.length, values[0]!.length], data };
}

describe.each([JSON_TYPE, MSGPACK, 'application/msgpack', 'application/x-msgpack'])('%s', (type) => {
  test.each([
    ['float64', 1.42499712],
    ['float32', 1.4249971],
    ['float16', 1.42508487],
  ] as const)('%s logits of the known batch give %f', async (dtype, expected) => {
    const { status, body } = await service.post({ logits: tensor(type, dtype, LOGITS), label: LABEL }, { type });
    expect(status).toBe(200);
    expect(body.loss).toBeCloseTo(expected, 6);
    expect(body.loss).toBeCloseTo(body.numerator / (3 + 1e-8), 12);
    expect(body.denominator).toBe(3);
  });

  test('the known row is 67 for torch, and a little less with 1e-8 in the denominator', async () => {
    const logits = [[3, 5, 6, 9, 12, 33, 42, 12, 32, 72]];
    const torch = await service.post({ logits, label: [1], options: { semantics: 'torch' } }, { type });
    const mindformers = await service.post({ logits, label: [1] }, { type });
    expect(torch.body.loss).toBeCloseTo(67, 12);
    expect(mindformers.body.loss).toBeCloseTo(66.99999933, 8);
  });

  test('tensors may be plain nested arrays', async () => {
    const { body } = await service.post({ logits: LOGITS, label: LABEL, input_mask: [1, 1, 1] }, { type });
    expect(body.loss).toBeCloseTo(1.4249971, 6);
  });
});

test('the answer names the kernel of each dtype', async () => {
  const kernels = await Promise.all(
    FLOAT_DTYPES.map(
      async (dtype) =>
        (await service.post({ logits: tensor(MSGPACK, dtype, LOGITS), label: LABEL }, { type: MSGPACK })).body.kernel,
    ),
  );
  expect(kernels).toEqual(['f16-relaxed-simd', 'bf16-relaxed-simd', 'f32-relaxed-simd', 'f64-relaxed-simd']);
});

describe('the media type of the answer', () => {
  const request = { logits: LOGITS, label: LABEL, options: { outputs: ['per_token_loss'] } };

  test.each([undefined, '*/*', 'application/json', 'text/html, application/json;q=0.5'])(
    'is JSON for Accept %s',
    async (accept) => {
      const { type, body } = await service.post(request, accept === undefined ? {} : { headers: { accept } });
      expect(type).toBe('application/json');
      expect(body.outputs['per_token_loss']).toMatchObject({
        dtype: 'float64',
        shape: [3],
        data: [expect.any(Number), expect.any(Number), expect.any(Number)],
      });
    },
  );

  test.each([MSGPACK, 'application/msgpack', 'application/x-msgpack'])('is %s when asked for', async (accept) => {
    const { type, body } = await service.post(request, { headers: { accept } });
    expect(type).toBe(accept);
    const { data } = body.outputs['per_token_loss']!;
    expect(data.byteLength).toBe(24);
    expect(body.loss).toBeCloseTo(1.4249971, 6);
  });

  test('is refused when it cannot be produced', async () => {
    const { status, body } = await service.post(request, { headers: { accept: 'text/csv' } });
    expect([status, body.code]).toEqual([406, 'not_acceptable']);
    expect(body.detail).toContain('text/csv');
  });
});

test('Server-Timing has the milliseconds of ingest, compute and reduce', async () => {
  const { headers } = await service.post({ logits: LOGITS, label: LABEL });
  expect(headers.get('server-timing')).toMatch(/^ingest;dur=[\d.]+, compute;dur=[\d.]+, reduce;dur=[\d.]+$/);
});

describe('non-finite numbers', () => {
  test('are strings in JSON answers and themselves in MessagePack', async () => {
    const request = { logits: [[1, 'NaN']], label: [0] };
    expect((await service.post(request)).body.loss).toBe('NaN');
    expect((await service.post(request, { headers: { accept: MSGPACK } })).body.loss).toBeNaN();
    const infinite = { logits: [['-Infinity', 0]], label: [0] };
    expect((await service.post(infinite)).body.loss).toBe('Infinity');
  });

  test('may come as the bare tokens that Python writes', async () => {
    const { status, body } = await service.post(
      '{"logits": [[1, NaN, -Infinity], [Infinity, 2, 3]], "label": [0, 1], "options": {"ignore_index": [-100]}}',
    );
    expect(status).toBe(200);
    expect(body.diagnostics.logits).toEqual({ nan: 1, pos_inf: 1, neg_inf: 1, bad_rows: 2 });
  });
});

describe('diagnostics', () => {
  test('say which rows, classes and causes make a loss non-finite', async () => {
    const logits = [
      [0, 1, 2],
      ['NaN', 1, 'NaN'],
      [0, 'Infinity', 0],
      ['-Infinity', '-Infinity', '-Infinity'],
      [0, '-Infinity', 0],
      [0, '-Infinity', 0],
    ];
    const { body } = await service.post({ logits, label: [0, 1, 1, 2, 1, 0] });
    expect(body.loss).toBe('NaN');
    expect(body.diagnostics).toEqual({
      verdict: 'non_finite',
      causes: [
        { cause: 'nan_logit', rows: 1, first: { row: 1, column: 0, value: 'NaN', is_label: false, masked: false } },
        {
          cause: 'pos_inf_logit',
          rows: 1,
          first: { row: 2, column: 1, value: 'Infinity', is_label: true, masked: false },
        },
        {
          cause: 'all_neg_inf_row',
          rows: 1,
          first: { row: 3, column: 0, value: '-Infinity', is_label: false, masked: false },
        },
        {
          cause: 'neg_inf_at_label',
          rows: 1,
          first: { row: 4, column: 1, value: '-Infinity', is_label: true, masked: false },
        },
      ],
      logits: { nan: 2, pos_inf: 1, neg_inf: 5, bad_rows: 5 },
      locations: [
        { row: 1, column: 0, value: 'NaN', is_label: false, masked: false },
        { row: 1, column: 2, value: 'NaN', is_label: false, masked: false },
        { row: 2, column: 1, value: 'Infinity', is_label: true, masked: false },
        { row: 3, column: 0, value: '-Infinity', is_label: false, masked: false },
        { row: 3, column: 1, value: '-Infinity', is_label: false, masked: false },
        { row: 3, column: 2, value: '-Infinity', is_label: true, masked: false },
        { row: 4, column: 1, value: '-Infinity', is_label: true, masked: false },
        { row: 5, column: 1, value: '-Infinity', is_label: false, masked: false },
      ],
      masked_rows_non_finite: 0,
    });
  });

  test('NaN in a masked or an ignored row is a warning with its place, and the loss is finite', async () => {
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

  test('no more than 16 places are named', async () => {
    const logits = Array.from({ length: 5 }, () => ['NaN', 'NaN', 'NaN', 'NaN', 1]);
    const { body } = await service.post({ logits, label: [4, 4, 4, 4, 4] });
    expect(body.diagnostics.locations).toHaveLength(16);
    expect(body.diagnostics.locations.at(-1)).toMatchObject({ row: 3, column: 3 });
    expect(body.diagnostics.logits.nan).toBe(20);
  });

  test('finite rows whose sum overflows are told apart', async () => {
    const logits = { dtype: 'float64', shape: [3, 2], data: [0, 1.7e308, 0, 1.7e308, 0, 1.7e308] };
    const { body } = await service.post({ logits, label: [0, 0, 0] });
    expect(body.loss).toBe('Infinity');
    expect(body.diagnostics.causes).toEqual([{ cause: 'accumulation_overflow', rows: 0 }]);
  });
});

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

  test.each([
    ['mindformers', 0],
    ['torch', 'NaN'],
    ['megatron', 0],
  ])('with nothing counted the mean is as %s has it', async (semantics, loss) => {
    for (const request of [
      { ...batch, label: [-100, -100, -100], options: { semantics } },
      { ...batch, input_mask: [0, 0, 0], options: { semantics } },
      {
        logits: { dtype: 'float32', shape: [0, 5], data: '' },
        label: { dtype: 'int64', shape: [0], data: '' },
        options: { semantics },
      },
    ]) {
      const { status, body } = await service.post(request);
      expect(status).toBe(200);
      expect(body.loss).toBe(loss);
      expect(body.diagnostics.causes).toEqual([{ cause: 'zero_denominator', rows: 0 }]);
    }
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

  test('labels are checked on counted rows only', async () => {
    const { status, body } = await service.post({ ...batch, label: [1, 99, -100], input_mask: [1, 0, 1] });
    expect(status).toBe(200);
    expect(body.rows).toEqual({ total: 3, counted: 1, ignored: 1, masked: 1 });
  });
});

test('logits of more axes are rows in row-major order, and outputs have the label’s shape', async () => {
  const logits = [
    [LOGITS[0], LOGITS[1]],
    [LOGITS[2], LOGITS[0]],
  ];
  const { body } = await service.post({
    logits,
    label: [
      [1, 4],
      [0, 1],
    ],
    options: { reduction: 'none' },
  });
  const flat = await service.post({ logits: logits.flat(), label: [1, 4, 0, 1], options: { reduction: 'none' } });
  expect(body.outputs['per_token_loss']).toMatchObject({
    shape: [2, 2],
    data: flat.body.outputs['per_token_loss']?.data,
  });
  expect((await service.post({ logits, label: [1, 4, 0, 1] })).status).toBe(200);
});

test('one class has cross-entropy 0', async () => {
  const { body } = await service.post({ logits: [[5], [-3]], label: [0, 0] });
  expect(body.loss).toBe(0);
});

test('100,000 float16 rows do not overflow: the accumulation is float64', async () => {
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

test('a torch mean of nothing is NaN, and the verdict says so', async () => {
  const { body } = await service.post({
    logits: LOGITS,
    label: LABEL,
    input_mask: [0, 0, 0],
    options: { semantics: 'torch' },
  });
  expect(body.diagnostics.verdict).toBe('non_finite');
});

test('a row that is masked and ignored counts as masked', async () => {
  const { body } = await service.post({ logits: LOGITS, label: [-100, 4, 0], input_mask: [0, 1, 1] });
  expect(body.rows).toEqual({ total: 3, counted: 2, ignored: 0, masked: 1 });
});

test('a bfloat16 mask is read as such', async () => {
  const mask = { dtype: 'bfloat16', shape: [3], data: encode('bfloat16', [0.5, 2, 0]) };
  const { body } = await service.post(
    { label: LABEL, input_mask: mask, logits: tensor(MSGPACK, 'float32', LOGITS) },
    { type: MSGPACK },
  );
  expect(body.denominator).toBe(2.5);
});

test('a uint64 label is never negative', async () => {
  const label = {
    dtype: 'uint64',
    shape: [3],
    data: new Uint8Array(BigUint64Array.of(2n ** 64n - 100n, 1n, 0n).buffer),
  };
  const { status, body } = await service.post({ label, logits: tensor(MSGPACK, 'float32', LOGITS) }, { type: MSGPACK });
  expect([status, body.code]).toEqual([422, 'invalid_label']);
  expect(body.detail).toContain('label[0] is 18446744073709551516');
});

test('an empty batch of many classes is a mean of nothing', async () => {
  const { status, body } = await service.post({
    logits: { dtype: 'float64', shape: [0, 2 ** 30], data: '' },
    label: { dtype: 'int64', shape: [0], data: '' },
  });
  expect([status, body.loss]).toEqual([200, 0]);
});

test('a finite row whose loss overflows is named by its cause', async () => {
  const logits = { dtype: 'float64', shape: [1, 2], data: [-1.7e308, 1.7e308] };
  const { body } = await service.post({ logits, label: [0] });
  expect(body.loss).toBe('Infinity');
  expect(body.diagnostics.causes).toEqual([{ cause: 'accumulation_overflow', rows: 0 }]);
});

test('an invalid label under zero_loss has loss 0 whatever its logits hold, and the diagnostics still tell', async () => {
  const options = { invalid_label: 'zero_loss', ignore_index: [] };
  const { body } = await service.post({
    logits: [
      ['NaN', 1],
      [0, 0],
    ],
    label: [7, 0],
    options,
  });
  expect(body.numerator).toBeCloseTo(Math.LN2, 12);
  expect(body.diagnostics).toMatchObject({ verdict: 'finite', logits: { nan: 1, bad_rows: 1 } });
});

describe('class weights', () => {
  test.each([
    [[1, 2], 'shape_mismatch', '(2,)'],
    [[1, 1, 1, 1, -1], 'invalid_weight', 'weight[4] is -1'],
    [[1, 1, 1, 1, 'NaN'], 'invalid_weight', 'weight[4] is NaN'],
  ])('%j is refused', async (weight, code, says) => {
    const { status, body } = await service.post({ logits: LOGITS, label: LABEL, weight });
    expect([status, body.code]).toEqual([422, code]);
    expect(body.detail).toContain(says);
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

test.each([
  ['label_smoothing', -0.1],
  ['label_smoothing', 1.1],
  ['lse_square_scale', -1],
  ['lse_square_scale', 'NaN'],
  ['softcap', 0],
  ['softcap', -30],
  ['logit_scale', 0],
  ['shift', -1],
  ['shift', 0.5],
])('%s of %j is refused with its bounds', async (name, value) => {
  const { status, body } = await service.post({ logits: LOGITS, label: LABEL, options: { [name]: value } });
  expect([status, body.code]).toEqual([422, 'invalid_option']);
  expect(body.detail).toContain(`options.${name} is ${JSON.stringify(value)}, expected`);
});

test('softcap makes infinities finite, and the diagnostics still report them', async () => {
  const { body } = await service.post({ logits: [[1, 'Infinity', '-Infinity']], label: [1], options: { softcap: 2 } });
  const x = [2 * Math.tanh(0.5), 2, -2];
  const expected = Math.log(x.reduce((sum, value) => sum + Math.exp(value), 0)) - 2;
  expect(body.numerator).toBeCloseTo(expected, 12);
  expect(body.diagnostics.logits).toEqual({ nan: 0, pos_inf: 1, neg_inf: 1, bad_rows: 1 });
  expect(body.diagnostics.verdict).toBe('finite');
  expect(body.diagnostics.locations).toMatchObject([{ column: 1 }, { column: 2 }]);
  expect(body.kernel).toBe('f64-relaxed-simd');
});
