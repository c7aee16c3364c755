import { describe, expect, test } from 'vitest';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import { encode } from '../rows.ts';
import { JSON_TYPE, MSGPACK, Service } from '../service.ts';
import { LABEL, LOGITS, tensor } from './known-batch.ts';

const service = Service.shared();

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
    KERNEL_DTYPES.map(
      async (dtype) =>
        (await service.post({ logits: tensor(MSGPACK, dtype, LOGITS), label: LABEL }, { type: MSGPACK })).body.kernel,
    ),
  );
  expect(kernels).toEqual(['f16-relaxed-simd', 'bf16-relaxed-simd', 'f32-relaxed-simd', 'f64-relaxed-simd']);
});

describe('the media type of the answer', () => {
  const request = { logits: LOGITS, label: LABEL, options: { outputs: ['per_token_loss'] } };

  test.each([
    undefined,
    '',
    '*/*',
    '*',
    'application/json',
    'application/json;charset=utf-8',
    'Application/JSON; charset="utf-8"; q=0.9',
    'application/*;version=1',
    'text/html, application/json;q=0.5',
    // Accept header of Java's HttpURLConnection.
    'text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2',
    'text/plain;title="a, b;q=0", application/json',
    'application/vnd.msgpack;q=0.5, application/json;charset=utf-8;q=0.8',
  ])('is JSON for Accept %s', async (accept) => {
    const { type, body } = await service.post(request, accept === undefined ? {} : { headers: { accept } });
    expect(type).toBe('application/json');
    expect(body.outputs['per_token_loss']).toMatchObject({
      dtype: 'float64',
      shape: [3],
      data: [expect.any(Number), expect.any(Number), expect.any(Number)],
    });
  });

  test.each([MSGPACK, 'application/msgpack', 'application/x-msgpack'])('is %s when asked for', async (accept) => {
    const { type, body } = await service.post(request, { headers: { accept } });
    expect(type).toBe(accept);
    const { data } = body.outputs['per_token_loss']!;
    expect(data.byteLength).toBe(24);
    expect(body.loss).toBeCloseTo(1.4249971, 6);
  });

  test('weights hold beside other parameters', async () => {
    for (const accept of ['application/json;charset=utf-8;q=0.1, application/msgpack', 'application/json;q=0, *']) {
      const { status, type } = await service.post(request, { headers: { accept } });
      expect([status, type]).toEqual([200, accept.includes('*') ? MSGPACK : 'application/msgpack']);
    }
  });

  test.each(['text/csv', 'application/json;q=0', 'text/plain;charset=utf-8', 'json', 'text/x;a="application/json'])(
    'is refused for Accept %s',
    async (accept) => {
      const { status, body } = await service.post(request, { headers: { accept } });
      expect([status, body.code]).toEqual([406, 'not_acceptable']);
    },
  );

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
    expect(body.diagnostics.logits).toEqual({ nan: 1, pos_inf: 1, neg_inf: 1, max: 3, bad_rows: 2 });
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

test('a bfloat16 mask is read as such', async () => {
  const mask = { dtype: 'bfloat16', shape: [3], data: encode('bfloat16', [0.5, 2, 0]) };
  const { body } = await service.post(
    { label: LABEL, input_mask: mask, logits: tensor(MSGPACK, 'float32', LOGITS) },
    { type: MSGPACK },
  );
  expect(body.denominator).toBe(2.5);
});
