import { describe, expect, test } from 'vitest';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import { exactSum, gradient } from '../reference.ts';
import { ROWS, decode, encode, seededRandom } from '../rows.ts';
import { JSON_TYPE, MSGPACK, Service } from '../service.ts';
import type { Answer } from '../service.ts';
import { LABEL, LOGITS, float64, numbers, rowsOf, tensor } from './known-batch.ts';

const service = Service.shared();
const confined = Service.start({ maxBytesInFlight: 1_400_000 });

/** Posts MessagePack, in which tensors are bytes. */
const post = (request: object, to = service): Promise<Answer> =>
  to.post(request, { type: MSGPACK, headers: { accept: MSGPACK } });

const GRADIENT = { outputs: ['gradient'] };

test.each(KERNEL_DTYPES)('outputs.gradient has the dtype and the shape of %s logits', async (dtype) => {
  const { body } = await post({ label: LABEL, options: GRADIENT, logits: tensor(MSGPACK, dtype, LOGITS) });
  const { gradient: output } = body.outputs;
  expect(output).toMatchObject({ dtype, shape: [3, 5] });
  const got = decode(dtype, Uint8Array.from(output!.data));
  const logits = rowsOf(Array.from(decode(dtype, encode(dtype, LOGITS.flat()))), 5);
  const wanted = logits.flatMap((row, r) => [
    ...gradient(row, new Float64Array(5).with(LABEL[r]!, 1)).map((g) => g / (3 + 1e-8)),
  ]);
  const bound = { float16: 2 ** -11, bfloat16: 2 ** -8, float32: 1e-7, float64: 1e-15 }[dtype];
  wanted.forEach((g, k) => expect(Math.abs(got[k]! - g)).toBeLessThanOrEqual(bound * Math.abs(g) + bound / 100));
});

test('logits of more axes have a gradient of their shape', async () => {
  const flat = await service.post({ logits: [...LOGITS, LOGITS[0]], label: [...LABEL, 1], options: GRADIENT });
  const logits = { dtype: 'float32', shape: [2, 2, 5], data: [...LOGITS, LOGITS[0]] };
  const label = { dtype: 'int8', shape: [2, 2], data: [...LABEL, 1] };
  const answer = await service.post({ logits, label, options: GRADIENT });
  expect(answer.body.outputs['gradient']!.shape).toEqual([2, 2, 5]);
  expect(numbers(answer, 'gradient')).toEqual(numbers(flat, 'gradient'));
});

describe('gradient_dtype', () => {
  test.each(KERNEL_DTYPES)('float32 overrides %s', async (dtype) => {
    const options = { ...GRADIENT, gradient_dtype: 'float32' };
    const { body } = await post({ label: LABEL, options, logits: tensor(MSGPACK, dtype, LOGITS) });
    expect(body.outputs['gradient']).toMatchObject({ dtype: 'float32', shape: [3, 5] });
    expect(body.outputs['gradient']!.data.byteLength).toBe(60);
  });

  test.each(['float16', 'bfloat16'] as const)('without it, %s is rounded from it to nearest even', async (dtype) => {
    const random = seededRandom(3);
    const classes = 61;
    const label = Object.keys(ROWS).map(() => Math.floor(classes * random()));
    const rows = Object.values(ROWS).map((make, r) => make(classes, label[r]!, random));
    const request = async (options: object): Promise<Uint8Array> =>
      (await post({ label, options: { ...options, reduction: 'sum' }, logits: tensor(MSGPACK, dtype, rows) })).body
        .outputs['gradient']!.data;
    const wide = decode('float32', Uint8Array.from(await request({ ...GRADIENT, gradient_dtype: 'float32' })));
    const narrow = decode(dtype, Uint8Array.from(await request(GRADIENT)));
    expect(narrow).toEqual(decode(dtype, encode(dtype, wide)));
    expect(narrow).not.toEqual(wide);
  });

  test.each(['softcap', 'logit_scale'])('is the dtype of the logits with %s too', async (option) => {
    const options = { ...GRADIENT, [option]: 2 };
    const { body } = await post({ label: LABEL, options, logits: tensor(MSGPACK, 'bfloat16', LOGITS) });
    expect(body.outputs['gradient']!.dtype).toBe('bfloat16');
  });
});

describe('rows of which nothing is to be learnt have the gradient 0:', () => {
  const zero = [0, 0, 0, 0, 0];
  const request = async (more: object): Promise<number[][]> => {
    const { options, ...others } = { options: {}, ...more };
    const answer = await service.post({
      logits: LOGITS,
      label: LABEL,
      ...others,
      options: { ...GRADIENT, ...options },
    });
    expect(answer.status, answer.body.detail).toBe(200);
    return rowsOf(numbers(answer, 'gradient'), 5);
  };

  test('masked ones', async () => {
    const rows = await request({ input_mask: [1, 0, 0.5] });
    expect(rows[1]).toEqual(zero);
    expect(rows[0]).not.toEqual(zero);
  });

  test('ignored ones', async () => {
    expect((await request({ label: [1, -100, 0] }))[1]).toEqual(zero);
    expect((await request({ options: { ignore_index: [4, 1] } })).slice(0, 2)).toEqual([zero, zero]);
  });

  test('those beyond the shift', async () => {
    const rows = await request({ options: { shift: 2 } });
    expect(rows.slice(1)).toEqual([zero, zero]);
    // Row 0 is scored against the label of row 2.
    expect(rows[0]![0]).toBeLessThan(0);
  });

  test('those of an invalid label under zero_loss, whatever they hold', async () => {
    const options = { invalid_label: 'zero_loss', ignore_index: [], check_for_nan_in_loss_and_grad: true };
    const logits = [LOGITS[0], [0, 'NaN', 0, 'Infinity', '-Infinity'], LOGITS[2]];
    const answer = await service.post({ logits, label: [1, 5, -100], options: { ...GRADIENT, ...options } });
    const rows = rowsOf(numbers(answer, 'gradient'), 5);
    expect(rows.slice(1)).toEqual([zero, zero]);
    expect(answer.body.diagnostics.gradient!.finite).toBe(true);
    expect(rows[0]![1]).toBeLessThan(0);
  });
});

describe('check_for_nan_in_loss_and_grad', () => {
  const options = { check_for_nan_in_loss_and_grad: true };

  test('gives the norm of the gradient without the tensor', async () => {
    const { body } = await service.post({ logits: float64(LOGITS), label: LABEL, options });
    const answer = await service.post({ logits: float64(LOGITS), label: LABEL, options: GRADIENT });
    const norm = Math.sqrt(exactSum(numbers(answer, 'gradient').map((g) => g * g)));
    expect(body.diagnostics.gradient!.norm).toBeCloseTo(norm, 14);
    expect(body.diagnostics.gradient!.finite).toBe(true);
    expect(body.outputs).toEqual({});
    expect(answer.body.diagnostics).not.toHaveProperty('gradient');
  });

  test('keeps the accuracy of the norm where the label is 18 above the rest', async () => {
    for (const dtype of ['float32', 'float64'] as const) {
      const row = Array.from({ length: 100 }, (_, c) => (c === 7 ? 18.25 : 0.25));
      const { body } = await service.post({ logits: tensor(JSON_TYPE, dtype, [row]), label: [7], options });
      const wanted = gradient(row, new Float64Array(100).with(7, 1));
      const norm = Math.sqrt(exactSum(wanted.map((g) => g * g))) / (1 + 1e-8);
      expect(Math.abs(body.diagnostics.gradient!.norm / norm - 1)).toBeLessThan(1e-5);
    }
  });

  test('says that the gradient of a row with a NaN is not finite', async () => {
    const { body } = await service.post({
      logits: [
        [1, 2],
        ['NaN', 0],
      ],
      label: [0, 0],
      options,
    });
    expect(body.diagnostics.gradient).toEqual({ norm: 'NaN', finite: false });
  });

  test('finds the gradient of an infinite loss finite', async () => {
    const { body } = await service.post({ logits: [[0, '-Infinity']], label: [1], options });
    expect(body.loss).toBe('Infinity');
    expect(body.diagnostics.gradient!.norm).toBeCloseTo(Math.SQRT2, 6);
  });
});

describe('a gradient beyond the bytes in flight', () => {
  const rows = 1000;
  const classes = 400;
  const request = (dtype: FloatDType, options: object): object => ({
    label: { dtype: 'uint8', shape: [rows], data: new Uint8Array(rows) },
    options,
    logits: { dtype, shape: [rows, classes], data: encode(dtype, new Float64Array(rows * classes)) },
  });

  test.each([
    ['float32', GRADIENT],
    ['float64', GRADIENT],
    ['float64', { ...GRADIENT, gradient_dtype: 'float32' }],
    ['float16', { ...GRADIENT, gradient_dtype: 'float32' }],
  ] as const)('of %s logits with %j is refused with advice', async (dtype, options) => {
    const { status, body } = await post(request(dtype, options), confined);
    expect([status, body.code]).toEqual([413, 'body_too_large']);
    expect(body.detail).toContain('outputs.gradient must be buffered in memory');
    expect(body.detail).toContain('1050000 bytes that requests may hold');
    expect(body.detail).toContain('split the batch by rows, or ask for the gradient of narrower logits');
  });

  test('is not: the same of float16, the norm alone, and the loss', async () => {
    const narrow = await post(request('float16', GRADIENT), confined);
    expect([narrow.status, narrow.body.outputs['gradient']?.data.byteLength]).toEqual([200, rows * classes * 2]);
    const norm = await post(request('float64', { check_for_nan_in_loss_and_grad: true }), confined);
    expect([norm.status, norm.body.diagnostics.gradient?.finite]).toEqual([200, true]);
    expect((await post(request('float64', {}), confined)).status).toBe(200);
  });

  test('gives back what it held: the next one is answered', async () => {
    for (let k = 0; k < 5; k++) expect((await post(request('float16', GRADIENT), confined)).status).toBe(200);
  });
});

test('a row of an invalid label has no z-loss either, so that its gradient of 0 is that of its loss', async () => {
  const options = { invalid_label: 'zero_loss', ignore_index: [], lse_square_scale: 0.1, outputs: ['per_token_loss'] };
  const { body } = await service.post({
    logits: [
      [1, 2],
      [1, 'NaN'],
    ],
    label: [0, 5],
    options,
  });
  const lse = Math.log(Math.exp(1) + Math.exp(2));
  expect(body.z_loss).toBeCloseTo(0.1 * lse ** 2, 6);
  expect((body.outputs['per_token_loss']!.data as unknown as number[])[1]).toBe(0);
});

test.each(['float32', 'float64'])(
  'a large offset of a %s row shows neither in its gradient nor in its loss',
  async (dtype) => {
    const logits = { dtype, shape: [1, 4], data: [1e30, 1e30, 1e30, 1e30] };
    const options = { label_smoothing: 0.1, reduction: 'sum', outputs: ['gradient'], metrics: ['ece'] };
    const { body } = await service.post({ logits, label: [3], options });
    expect(body.loss).toBeCloseTo(Math.log(4), 6);
    expect(body.metrics.ece).toBeCloseTo(0.25, 6);
    const gradient = body.outputs['gradient']!.data as unknown as number[];
    [0.225, 0.225, 0.225, -0.675].forEach((g, c) => expect(gradient[c]).toBeCloseTo(g, 6));
  },
);
