import { beforeAll, describe, expect, test } from 'vitest';
import { FLOAT8_DTYPES } from '../../src/tensor/dtype.ts';
import type { DType, FloatDType } from '../../src/tensor/dtype.ts';
import { inferenceInput } from '../request-bodies.ts';
import { decode, encode, seededRandom } from '../rows.ts';
import { JSON_TYPE, MSGPACK, Service } from '../service.ts';
import type { Answer } from '../service.ts';
import { safetensorsFile } from '../safetensors-file.ts';

const service = Service.shared();

const ROWS = 4;
const CLASSES = 300;
const random = seededRandom(8);
const VALUES = Array.from({ length: ROWS * CLASSES }, () => 60 * random() - 30);
const LABEL = [0, 7, 299, 100];
const OPTIONS = {
  label_smoothing: 0.1,
  lse_square_scale: 1e-3,
  outputs: ['per_token_loss', 'lse', 'gradient', 'predictions', 'target_rank', 'entropy'],
  metrics: ['accuracy', 'top5_accuracy', 'mean_entropy', 'ece'],
  check_for_nan_in_loss_and_grad: true,
};

/** A tensor of one axis. */
const numbersOf = (dtype: FloatDType, numbers: number[]): object => ({
  dtype,
  shape: [numbers.length],
  data: encode(dtype, numbers),
});

/** An answer without the fields that name the dtype. */
function results({ status, body }: Answer): unknown {
  expect(status, JSON.stringify(body)).toBe(200);
  const { kernel: _, diagnostics, ...rest } = body;
  return { ...rest, diagnostics: { ...diagnostics, float8: undefined } };
}

describe.each(FLOAT8_DTYPES)('%s', (dtype) => {
  const bytes = encode(dtype, VALUES);
  const values = decode(dtype, bytes);
  const logits = { dtype, shape: [ROWS, CLASSES], data: bytes };
  const wide = { dtype: 'float32', shape: [ROWS, CLASSES], data: encode('float32', values) } as const;
  let expected: unknown;

  beforeAll(async () => {
    const request = { label: LABEL, options: OPTIONS, logits: wide };
    expected = results(await service.post(request, { type: MSGPACK, headers: { accept: MSGPACK } }));
  });

  test('as bytes of MessagePack has the results of the same values in float32', async () => {
    const answer = await service.post(
      { label: LABEL, options: OPTIONS, logits },
      { type: MSGPACK, headers: { accept: MSGPACK } },
    );
    expect(results(answer)).toEqual(expected);
    expect(answer.body.kernel).toMatch(/^f8e(4m3|5m2)-(relaxed|strict)-simd$/);
    expect(answer.body.outputs['gradient']).toMatchObject({ dtype: 'float32', shape: [ROWS, CLASSES] });
  });

  test.each([
    ['base64', Buffer.from(bytes).toString('base64')],
    ['an array of numbers, which are rounded', VALUES],
  ])('in JSON as %s has the same results', async (_name, data) => {
    const answer = await service.post(
      { label: LABEL, options: OPTIONS, logits: { ...logits, data } },
      { type: JSON_TYPE, headers: { accept: MSGPACK } },
    );
    expect(results(answer)).toEqual(expected);
  });

  test('in safetensors, by the name that the library writes, has the same results', async () => {
    const stored: [string, { dtype: DType; shape: number[]; data: Uint8Array }][] = [
      ['logits', logits],
      ['label', { dtype: 'int64', shape: [ROWS], data: new Uint8Array(BigInt64Array.from(LABEL, BigInt).buffer) }],
    ];
    const file = safetensorsFile(stored, { options: JSON.stringify(OPTIONS) });
    expect(file.toString('latin1')).toContain(dtype === 'float8_e4m3fn' ? '"F8_E4M3"' : '"F8_E5M2"');
    const answer = await service.post(file, {
      type: 'application/vnd.safetensors',
      headers: { accept: MSGPACK },
    });
    expect(results(answer)).toEqual(expected);
  });

  test('may be class probabilities, mask and weights', async () => {
    const p = encode(
      dtype,
      Array.from({ length: ROWS * CLASSES }, (_, k) => (k % CLASSES < 4 ? 0.25 : 0)),
    );
    const request = (own: FloatDType): object => ({
      label: { dtype: own, shape: [ROWS, CLASSES], data: own === dtype ? p : encode('float32', decode(dtype, p)) },
      input_mask: numbersOf(own, [1, 0, 0.5, 1]),
      weight: numbersOf(
        own,
        Array.from({ length: CLASSES }, (_, c) => (c % 3) / 2),
      ),
      logits: wide,
    });
    const [narrow, single] = await Promise.all(
      [dtype, 'float32' as const].map((own) => service.post(request(own), { type: MSGPACK })),
    );
    expect(results(narrow!)).toEqual(results(single!));
  });

  test('has a softcap, a scale and shards as in float32', async () => {
    const options = { softcap: 20, logit_scale: 0.5, parallel_config: { model_parallel: 3 }, outputs: ['gradient'] };
    const [narrow, single] = await Promise.all(
      [logits, wide].map((one) =>
        service.post({ label: LABEL, options, logits: one }, { type: MSGPACK, headers: { accept: MSGPACK } }),
      ),
    );
    expect(results(narrow!)).toEqual(results(single!));
  });

  test('has no name in the Open Inference Protocol, which says so', async () => {
    const { data: _, bytes: __, ...described } = inferenceInput('logits', { ...wide, data: wide.data });
    const inputs = [
      { name: 'label', shape: [ROWS], datatype: 'INT64', data: LABEL },
      { ...described, datatype: dtype },
    ];
    const { status, body } = await service.post({ inputs }, { path: '/v2/models/cross_entropy/infer' });
    expect(status).toBe(422);
    expect(body).toHaveProperty('error', expect.stringContaining('expected one of FP16, BF16, FP32, FP64'));
  });

  test('is not told from the other float8 by msgpack-numpy, which says what to send', async () => {
    const array = { nd: true, type: [['', '|V1']], kind: 'V', shape: [ROWS, CLASSES], data: bytes };
    const { status, body } = await service.post({ label: LABEL, logits: array }, { type: MSGPACK });
    expect([status, body.code]).toEqual([422, 'invalid_tensor']);
    expect(body.detail).toContain('NumPy calls every float8 V1: send {"dtype", "shape", "data"}');
  });
});

describe('overflow', () => {
  const post = (dtype: string, data: unknown[], path = '/v1/cross-entropy'): Promise<Answer> =>
    service.post(
      { label: [0], logits: { dtype, shape: [1, data.length], data }, options: { ignore_index: [] } },
      { path },
    );

  test('of float8_e4m3fn is NaN: it has no Infinity, and 448 is its largest value', async () => {
    const { body } = await post('float8_e4m3fn', [1, 448, 464, 1000, 'Infinity', 0.125]);
    expect(body.loss).toBe('NaN');
    expect(body.diagnostics.logits).toMatchObject({ nan: 2, pos_inf: 0, max: 448 });
    expect(body.diagnostics.float8).toMatchObject({ at_largest: 2, subnormal_fraction: 0 });
    expect(body.diagnostics.float8!.hint).toContain(
      'overflow of float8_e4m3fn: 448, its largest finite value, occurs 2 times, NaN 2 times',
    );
    expect(body.diagnostics.summary).toContain('overflow of float8_e4m3fn');
  });

  test('of float8_e5m2 is Infinity', async () => {
    const { body } = await post('float8_e5m2', [1, 57344, 70000, 2 ** -16]);
    expect(body.diagnostics.logits).toMatchObject({ nan: 0, pos_inf: 1, max: 57344 });
    expect(body.diagnostics.float8).toMatchObject({ at_largest: 1, subnormal_fraction: 0.25 });
    expect(body.diagnostics.float8!.hint).toContain('Infinity 1 time;');
  });

  test('is not suspected of a tensor that is scaled to the largest value', async () => {
    const { body } = await post('float8_e4m3fn', [1, 448, 3]);
    expect(body.diagnostics.float8).toEqual({ at_largest: 1, subnormal_fraction: 0 });
  });

  test('is found by a diagnosis too, at both ends', async () => {
    const { body } = await post('float8_e4m3fn', [-448, 448, 'NaN', 2 ** -8], '/v1/diagnose');
    expect(body).toMatchObject({
      values: { nan: 1, subnormal: 1 },
      float8: { at_largest: 2, subnormal_fraction: 0.25 },
    });
  });
});
