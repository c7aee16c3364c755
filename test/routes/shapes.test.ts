/** Shapes that users send: shapes that PyTorch accepts, and mismatches that a message explains. */
import { describe, expect, test } from 'vitest';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import type { KernelDType } from '../../src/tensor/dtype.ts';
import { exactSum, nll } from '../reference.ts';
import { encode, seededRandom } from '../rows.ts';
import { JSON_TYPE, MSGPACK, Service } from '../service.ts';
import { close, numbers } from './known-batch.ts';

const service = Service.shared();

const random = seededRandom(8);
const [B, C, L] = [3, 4, 5];
/** Rows of classes: (B, L, C). */
const ROWS = Array.from({ length: B * L }, () => Array.from({ length: C }, () => Math.fround(6 * random() - 3)));
const LABEL = ROWS.map(() => Math.floor(C * random()));
const PROBABILITIES = ROWS.map(() => {
  const p = Array.from({ length: C }, () => Math.floor(1 + 15 * random()));
  return p.map((value) => value / p.reduce((a, b) => a + b));
});

/** Elements of rows in the order of a shape that has the classes at the given axis. */
function laidOut(rows: readonly number[][], axis: number): { shape: number[]; data: number[] } {
  if (axis === 2) return { shape: [B, L, C], data: rows.flat() };
  const at = (b: number, l: number, c: number): number => rows[b * L + l]![c]!;
  const [outer, shape] = axis === 1 ? [B, [B, C, L]] : [1, [C, B, L]];
  const inner = (B * L) / outer;
  const data: number[] = [];
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < C; c++) {
      for (let i = 0; i < inner; i++) {
        const row = o * inner + i;
        data.push(at(Math.floor(row / L), row % L, c));
      }
    }
  }
  return { shape, data };
}

const LOSSES = ROWS.map((row, k) => nll(row, LABEL[k]!));

describe.each([
  [0, 0],
  [1, 1],
  [2, 2],
  [-1, 2],
  [-2, 1],
  [-3, 0],
])('class_axis %d', (class_axis, axis) => {
  const outputs = ['per_token_loss', 'predictions', 'lse', 'gradient'];
  const options = { class_axis, outputs, semantics: 'torch' };
  const label = { dtype: 'int64', shape: [B, L], data: LABEL };
  const { shape, data } = laidOut(ROWS, axis);

  test('gives the losses of the rows, and a gradient that lies as the logits do', async () => {
    const plain = await service.post({
      logits: { dtype: 'float64', shape: [B, L, C], data: ROWS.flat() },
      label,
      options: { ...options, class_axis: -1 },
    });
    const answer = await service.post({ logits: { dtype: 'float64', shape, data }, label, options });
    expect(answer.status).toBe(200);
    expect(numbers(answer, 'per_token_loss')).toEqual(close(LOSSES));
    expect(answer.body.loss).toBeCloseTo(exactSum(LOSSES) / LOSSES.length, 12);
    for (const name of ['per_token_loss', 'predictions', 'lse']) {
      expect(answer.body.outputs[name]).toEqual(plain.body.outputs[name]);
    }
    expect(answer.body.outputs['gradient']!.shape).toEqual(shape);
    const gradient = numbers(plain, 'gradient');
    const rows = ROWS.map((_, row) => gradient.slice(row * C, (row + 1) * C));
    expect(numbers(answer, 'gradient')).toEqual(laidOut(rows, axis).data);
  });

  test.each(KERNEL_DTYPES)('takes %s, and class probabilities of another dtype', async (dtype: KernelDType) => {
    const soft = laidOut(PROBABILITIES, axis);
    const others = KERNEL_DTYPES[(KERNEL_DTYPES.indexOf(dtype) + 1) % KERNEL_DTYPES.length]!;
    const post = (at: { shape: number[]; data: number[] }, p: { shape: number[]; data: number[] }, k: number) =>
      service.post(
        {
          options: { ...options, class_axis: k },
          label: { dtype: others, shape: p.shape, data: encode(others, p.data) },
          logits: { dtype, shape: at.shape, data: encode(dtype, at.data) },
        },
        { type: MSGPACK },
      );
    const [moved, plain] = await Promise.all([
      post({ shape, data }, soft, class_axis),
      post(laidOut(ROWS, 2), laidOut(PROBABILITIES, 2), -1),
    ]);
    expect(moved.status, moved.body.detail).toBe(200);
    expect(moved.body.loss).toBe(plain.body.loss);
    expect(moved.body.outputs['per_token_loss']).toEqual(plain.body.outputs['per_token_loss']);
  });

  test('counts from the rows: masks, shifts and places', async () => {
    const input_mask = { dtype: 'float32', shape: [B, L], data: LABEL.map((_, k) => k % 3) };
    const nan = ROWS.map((row, k) => (k === 7 ? row.with(2, Number.NaN) : row));
    const request = (at: number, k: number) => ({
      logits: {
        dtype: 'float32',
        ...laidOut(nan, at),
        data: laidOut(nan, at).data.map((x) => (Number.isNaN(x) ? 'NaN' : x)),
      },
      label,
      input_mask,
      options: { ...options, class_axis: k, shift: 1, outputs: ['per_token_loss'] },
    });
    const [moved, plain] = await Promise.all([service.post(request(axis, class_axis)), service.post(request(2, -1))]);
    expect(moved.body).toEqual(plain.body);
    expect(moved.body.diagnostics.locations).toMatchObject([{ row: 7, column: 2 }]);
  });

  test('holds for a diagnosis, for shards and for runs', async () => {
    const logits = { dtype: 'float32', shape, data };
    const { body: diagnosis } = await service.post({ logits, options: { class_axis } }, { path: '/v1/diagnose' });
    expect(diagnosis).toMatchObject({ shape, rows: { total: B * L }, values: { total: B * L * C } });
    const partial = { logits, label, vocab_start: 0, vocab_size: C, options: { class_axis, semantics: 'torch' } };
    const { body: one } = await service.post(partial, { path: '/v1/cross-entropy/partials' });
    const { body } = await service.post({ partials: [one] }, { path: '/v1/cross-entropy/combine' });
    expect(body.loss).toBeCloseTo(exactSum(LOSSES) / LOSSES.length, 6);
  });
});

test('the layout of the logits is no other content of a run', async () => {
  const put = async (axis: number): Promise<number> => {
    const body = JSON.stringify({
      logits: { dtype: 'float32', ...laidOut(ROWS, axis) },
      label: { dtype: 'int64', shape: [B, L], data: LABEL },
      options: { class_axis: axis },
    });
    const headers = { 'content-type': 'application/json' };
    return (await fetch(`${service.url}/v1/runs/layout/steps/1/ranks/0`, { method: 'PUT', headers, body })).status;
  };
  expect([await put(2), await put(1), await put(0)]).toEqual([201, 200, 200]);
});

test('logits that come in many blocks may have the class axis anywhere', async () => {
  const [items, classes, positions] = [40, 1000, 50];
  const data = Float32Array.from({ length: items * classes * positions }, () => 6 * random() - 3);
  const label = { dtype: 'int32', shape: [items, positions], data: new Uint8Array(4 * items * positions) };
  const logits = { dtype: 'float32', shape: [items, classes, positions], data: new Uint8Array(data.buffer) };
  const options = { class_axis: 1, outputs: ['per_token_loss'] };
  const answered = numbers(await service.post({ options, label, logits }, { type: MSGPACK }), 'per_token_loss');
  for (const [item, position] of [
    [0, 0],
    [17, 31],
    [39, 49],
  ] as const) {
    const row = Array.from({ length: classes }, (_, c) => data[(item * classes + c) * positions + position]!);
    expect(answered[item * positions + position]).toBeCloseTo(nll(row, 0), 5);
  }
});

describe('a label of one entry too many axes', () => {
  const logits = [
    [1, 2, 3],
    [3, 2, 5],
  ];
  const wanted = async () => (await service.post({ logits, label: [2, 0] })).body.loss;

  test.each([
    ['(N, 1)', logits, [[2], [0]]],
    ['(N, 1) of int32', logits, { dtype: 'int32', data: [[2], [0]] }],
    ['(…, 1)', [logits], [[[2], [0]]]],
    ['(N, 1) of logits of more axes', [logits], [[2], [0]]],
  ])('%s is squeezed', async (_name, given, label) => {
    const answer = await service.post({ logits: given, label, options: { outputs: ['predictions'] } });
    expect(answer.status, answer.body.detail).toBe(200);
    expect(answer.body.loss).toBe(await wanted());
  });

  test('is squeezed where the class axis is, too', async () => {
    const moved = { dtype: 'float32', shape: [1, 3, 2], data: [1, 3, 2, 2, 3, 5] };
    const label = { dtype: 'int64', shape: [1, 1, 2], data: [2, 0] };
    const answer = await service.post({ logits: moved, label, options: { class_axis: 1, outputs: ['predictions'] } });
    expect(answer.body.loss).toBe(await wanted());
    expect(answer.body.outputs['predictions']!.shape).toEqual([1, 2]);
  });

  test('has outputs of the shape of class indices', async () => {
    const label = { dtype: 'int64', shape: [1, 2, 1], data: [2, 0] };
    const answer = await service.post({ logits: [logits], label, options: { outputs: ['predictions'] } });
    expect(answer.body.outputs['predictions']!.shape).toEqual([1, 2]);
  });

  test.each([
    ['an integer dtype is squeezed', { dtype: 'int64', data: [[0], [0]] }, undefined],
    ['no dtype is class probabilities', [[1], [1]], { not_one: 0, negative: 0 }],
    ['a floating dtype is class probabilities', { dtype: 'float32', data: [[1], [0.5]] }, { not_one: 1, negative: 0 }],
  ])('with one class, %s', async (_name, label, probabilities) => {
    const { status, body } = await service.post({ logits: [[1], [2]], label });
    expect([status, body.loss]).toEqual([200, 0]);
    expect(body.diagnostics.probabilities).toEqual(probabilities);
  });
});

describe('a mask is squeezed as class indices are', () => {
  const logits = [
    [1, 2, 3],
    [3, 2, 5],
  ];
  const moved = { dtype: 'float32', shape: [1, 3, 2], data: [1, 3, 2, 2, 3, 5] };
  const rows = { total: 2, counted: 1, ignored: 0, masked: 1 };
  const wanted = nll([1, 2, 3], 2);

  test.each<[name: string, given: unknown, label: unknown, input_mask: unknown, class_axis?: number]>([
    ['(N, 1) beside (N, 1)', logits, [[2], [0]], [[1], [0]]],
    ['(N, 1) beside (N,)', logits, [2, 0], [[1], [0]]],
    ['(…, 1) beside (…, 1)', [logits], [[[2], [0]]], [[[1], [0]]]],
    ['(…, 1) of bool beside (N,)', [logits], [2, 0], { dtype: 'bool', data: [[[true], [false]]] }],
    ['(N, 1) of logits of more axes', [logits], [[2, 0]], [[1], [0]]],
    ['(…, 1) beside class probabilities', [logits], [logits.map((_, k) => [k, 0, 1 - k])], [[[1], [0]]]],
    ['one entry where the classes are', moved, [[2, 0]], [[[1, 0]]], 1],
    ['(…, 1) where the classes are not', moved, [[2, 0]], [[[1], [0]]], 1],
  ])('%s', async (_name, given, label, input_mask, class_axis = -1) => {
    const body = { logits: given, label, input_mask, options: { class_axis, semantics: 'torch' } };
    for (const type of [JSON_TYPE, MSGPACK]) {
      const answer = await service.post(body, { type });
      expect(answer.status, answer.body.detail).toBe(200);
      expect(answer.body.rows).toEqual(rows);
      expect(answer.body.loss).toBeCloseTo(wanted, 6);
    }
  });

  test('in a diagnosis without labels, in shards and in Open Inference', async () => {
    const input_mask = [[1], [0]];
    const { body } = await service.post({ logits, input_mask }, { path: '/v1/diagnose' });
    expect(body.rows).toEqual(rows);
    const shard = { logits, label: [[2], [0]], input_mask, vocab_start: 0, vocab_size: 3 };
    const partial = (await service.post(shard, { path: '/v1/cross-entropy/partials' })).body;
    const combined = await service.post({ partials: [partial] }, { path: '/v1/cross-entropy/combine' });
    expect(combined.body.rows).toEqual(rows);
    const inputs = [
      { name: 'label', datatype: 'INT64', shape: [2, 1], data: [2, 0] },
      { name: 'input_mask', datatype: 'FP32', shape: [2, 1], data: [1, 0] },
      { name: 'logits', datatype: 'FP32', shape: [2, 3], data: logits.flat() },
    ];
    expect((await service.post({ inputs }, { path: '/v2/models/cross_entropy/infer' })).status).toBe(200);
  });

  test.each([
    ['another number of entries', [[1], [0], [1]]],
    ['entries per class', logits],
    ['a number for more rows than one', 1],
  ])('but %s', async (_name, input_mask) => {
    const { status, body } = await service.post({ logits, label: [2, 0], input_mask });
    expect([status, body.code]).toEqual([422, 'shape_mismatch']);
    expect(body.detail).toContain('but logits of shape (2, 3) expect (2,)');
  });
});

describe('a row alone', () => {
  const options = { outputs: ['per_token_loss', 'predictions', 'gradient'], semantics: 'torch' };
  const wanted = nll([1, 2, 4], 1);

  test.each([
    ['a number', 1],
    ['a tensor of no axes', { dtype: 'int64', shape: [], data: [1] }],
    ['bytes', { dtype: 'int32', shape: [], data: 'AQAAAA==' }],
    ['class probabilities', [0, 1, 0]],
  ])('is scored against %s, and its outputs have no axis', async (_name, label) => {
    const answer = await service.post({ logits: [1, 2, 4], label, options });
    expect(answer.status, answer.body.detail).toBe(200);
    expect(answer.body.loss).toBeCloseTo(wanted, 6);
    expect(answer.body.outputs['per_token_loss']!.shape).toEqual([]);
    expect(answer.body.outputs['gradient']!.shape).toEqual([3]);
    expect(numbers(answer, 'predictions')).toEqual([2]);
  });

  test('may be a batch of one label', async () => {
    const answer = await service.post({ logits: [1, 2, 4], label: [1], options });
    expect(answer.body.outputs['per_token_loss']!.shape).toEqual([1]);
  });

  test.each([
    ['a number', 0],
    ['a truth value', false],
    ['a tensor of no axes', { dtype: 'float32', shape: [], data: [0] }],
    ['a tensor of one entry', [0]],
    ['a tensor of more axes', [[0]]],
  ])('has %s as its mask', async (_name, input_mask) => {
    const rows = { total: 1, counted: 0, ignored: 0, masked: 1 };
    const body = { logits: [1, 2, 4], label: 1, input_mask };
    for (const type of [JSON_TYPE, MSGPACK]) expect((await service.post(body, { type })).body.rows).toEqual(rows);
    // Another parser reads large texts.
    const { body: answer } = await service.post(JSON.stringify(body).replace('{', `{${' '.repeat(300_000)}`));
    expect(answer.rows).toEqual(rows);
  });

  test('has a mask that is no number refused', async () => {
    const { status, body } = await service.post({ logits: [1, 2, 4], label: 1, input_mask: '1' });
    expect([status, body.code]).toEqual([422, 'invalid_tensor']);
  });

  test('is read in MessagePack, in Open Inference and in shards', async () => {
    const packed = await service.post({ label: 1, logits: [1, 2, 4], options }, { type: MSGPACK });
    expect(packed.body.loss).toBeCloseTo(wanted, 6);
    const inputs = [
      { name: 'label', datatype: 'INT64', shape: [], data: [1] },
      { name: 'logits', datatype: 'FP32', shape: [3], data: [1, 2, 4] },
    ];
    expect((await service.post({ inputs }, { path: '/v2/models/cross_entropy/infer' })).status).toBe(200);
    const partials = await Promise.all(
      [
        { vocab_start: 0, logits: [1, 2] },
        { vocab_start: 2, logits: [4] },
      ].map(async (shard) => {
        const request = { ...shard, label: 1, vocab_size: 3, options: { semantics: 'torch' } };
        return (await service.post(request, { path: '/v1/cross-entropy/partials' })).body;
      }),
    );
    const { body } = await service.post({ partials }, { path: '/v1/cross-entropy/combine' });
    expect(body.loss).toBeCloseTo(wanted, 6);
  });

  test('of a label beyond 2^53 names it', async () => {
    for (const spaces of ['', ' '.repeat(300_000)]) {
      const { body } = await service.post(`{"logits":[1,2],${spaces}"label":9007199254740993}`);
      expect(body.detail).toBe('label[0] is 9007199254740993, expected a class in [0, 2)');
    }
  });
});

describe('other shapes are refused with what would fit:', () => {
  const of = (shape: number[], dtype = 'float32') => ({
    dtype,
    shape,
    data: Array<number>(shape.reduce((a, b) => a * b, 1)).fill(0),
  });

  test.each([
    [
      [2, 3, 4],
      [2, 4],
      {},
      [
        '(2, 3) or (6,) for class indices',
        '(2, 3, 4) for class probabilities',
        'with options.class_axis 1 it would fit',
      ],
    ],
    [[2, 3, 4], [2, 3], { class_axis: 1 }, ['(2, 4) or (8,)', 'with options.class_axis 2 it would fit']],
    [[3, 3, 3], [2], {}, ['(3, 3) or (9,) for class indices']],
    [[2, 3], [2, 2], {}, ['label has shape (2, 2)', 'logits of shape (2, 3) expect (2,)']],
    [[3], [2], {}, ['label has shape (2,)', '() or (1,)']],
  ])('logits %j and labels %j with %j', async (logits, label, options, says) => {
    const { status, body } = await service.post({ logits: of(logits), label: of(label, 'int64'), options });
    expect([status, body.code]).toEqual([422, 'shape_mismatch']);
    for (const part of says) expect(body.detail).toContain(part);
    expect(body.errors).toMatchObject([{ pointer: '/label/shape' }]);
  });

  test.each([-4, 3, 31])('a class_axis %d of three axes', async (class_axis) => {
    const { status, body } = await service.post({
      logits: of([2, 3, 4]),
      label: of([2, 3], 'int64'),
      options: { class_axis },
    });
    expect([status, body.code]).toEqual([422, 'invalid_option']);
    expect(body.detail).toBe(
      `options.class_axis is ${class_axis}, but logits have shape (2, 3, 4): expected an axis in [-3, 2]`,
    );
  });

  test('a class_axis for partials that were made', async () => {
    const request = { logits: [[1, 2]], label: [0], vocab_start: 0, vocab_size: 2 };
    const { body: partial } = await service.post(request, { path: '/v1/cross-entropy/partials' });
    const again = { partials: [partial], options: { class_axis: 0 } };
    const { status, body } = await service.post(again, { path: '/v1/cross-entropy/combine' });
    expect([status, body.code]).toEqual([422, 'invalid_option']);
  });
});
