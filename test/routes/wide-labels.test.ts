import { describe, expect, test } from 'vitest';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { safetensorsFile } from '../safetensors-file.ts';
import { JSON_TYPE, MSGPACK, Service } from '../service.ts';

const service = Service.shared();

/** ±(2^53 + 1), which float64 cannot represent, and the greatest and the least int64. */
const WIDE = ['9007199254740993', '-9007199254740993', '9223372036854775807', '-9223372036854775808'];

const SIZES = { small: '', large: ' '.repeat(300_000) };

test.each(
  WIDE.flatMap((label) =>
    Object.keys(SIZES).flatMap((size) =>
      [`[0, ${label}]`, `{"data":[0,${label}]}`, `{"dtype":"int64","shape":[2],"data":[0, ${label} ]}`].map(
        (tensor) => [label, size as keyof typeof SIZES, tensor] as const,
      ),
    ),
  ),
)('the label %s of a %s text is named exactly in %s', async (label, size, tensor) => {
  const { status, body } = await service.post(`{"logits":[[1,2],[3,4]],${SIZES[size]}"label":${tensor}}`);
  expect([status, body.code]).toEqual([422, 'invalid_label']);
  expect(body.errors).toMatchObject([{ detail: `label[1] is ${label}, expected a class in [0, 2)` }]);
});

test('a label of uint64 is named exactly', async () => {
  const label = '{"dtype":"uint64","shape":[1],"data":[18446744073709551615]}';
  const { body } = await service.post(`{"logits":[[1,2]],"label":${label}}`);
  expect(body.detail).toBe('label[0] is 18446744073709551615, expected a class in [0, 2)');
});

test('a label of Open Inference is named exactly', async () => {
  const inputs = [
    '{"name":"label","datatype":"INT64","shape":[1],"data":[9007199254740993]}',
    '{"name":"logits","datatype":"FP32","shape":[1,2],"data":[1,2]}',
  ];
  const path = '/v2/models/cross_entropy/infer';
  for (const spaces of Object.values(SIZES)) {
    const { status, body } = await service.post(`{${spaces}"inputs":[${inputs.join(',')}]}`, { path });
    expect([status, JSON.stringify(body)]).toEqual([422, expect.stringContaining('label[0] is 9007199254740993')]);
  }
});

test.each([
  ['9223372036854775808', 'int64'],
  ['9007199254740993', 'int32'],
  ['-1', 'uint64'],
  ['18446744073709551616', 'uint64'],
  ['1e19', 'uint64'],
  ['1.5', 'int64'],
])('%s is no %s, and is named as it came', async (label, dtype) => {
  for (const spaces of Object.values(SIZES)) {
    const tensor = `{"dtype":"${dtype}","shape":[1],"data":[${label}]}`;
    const { body } = await service.post(`{"logits":[[1,2]],${spaces}"label":${tensor}}`);
    const shown = label === '1e19' ? '10000000000000000000' : label;
    const value = label === '18446744073709551616' ? 'a very large integer' : shown;
    expect(body.detail).toContain(`entry 0 of label is ${value}, expected an integer of ${dtype}`);
  }
});

test('an integer that is wide among floats is rounded to their dtype', async () => {
  const request = '{"logits":[[9007199254740993, 1e300],[3,4]],"label":[0, 1],"input_mask":[0,1]}';
  const { status, body } = await service.post(request);
  expect([status, body.rows]).toEqual([200, { total: 2, counted: 1, ignored: 0, masked: 1 }]);
});

describe('an option that is an integer beyond 2^53 is named as it came', () => {
  const wide = ['9007199254740993', '-9007199254740993', '[9007199254740993]', '[1,18446744073709551615]'];

  test.each(wide)('%s, in JSON', async (value) => {
    for (const spaces of Object.values(SIZES)) {
      const { body } = await service.post(
        `{"logits":[[1,2]],${spaces}"label":[0],"options":{"ignore_index":${value}}}`,
      );
      expect(body.detail).toContain(`options.ignore_index is ${value}, expected`);
    }
  });

  test.each(wide)('%s, in Open Inference', async (value) => {
    const inputs = [
      '{"name":"label","datatype":"INT64","shape":[1],"data":[1]}',
      '{"name":"logits","datatype":"FP32","shape":[1,2],"data":[1,2]}',
    ];
    // Parameters contain lists as JSON text.
    const parameter = value.startsWith('[') ? JSON.stringify(value) : value;
    for (const spaces of Object.values(SIZES)) {
      const text = `{${spaces}"parameters":{"ignore_index":${parameter}},"inputs":[${inputs.join(',')}]}`;
      const { body } = await service.post(text, { path: '/v2/models/cross_entropy/infer' });
      expect(JSON.stringify(body)).toContain(`options.ignore_index is ${value}, expected`);
    }
  });

  test.each(wide)('%s, in a safetensors file', async (value) => {
    const tensors: [string, Tensor][] = [
      ['label', { dtype: 'int32', shape: [1], data: new Uint8Array(4) }],
      ['logits', { dtype: 'float32', shape: [1, 2], data: new Uint8Array(8) }],
    ];
    const file = safetensorsFile(tensors, { options: `{"ignore_index":${value}}` });
    const { body } = await service.post(file, { type: 'application/vnd.safetensors' });
    expect(body.detail).toContain(`options.ignore_index is ${value}, expected`);
  });

  test('but one that may be any number is rounded', async () => {
    for (const type of [JSON_TYPE, MSGPACK]) {
      const options = { lse_square_scale: 9_007_199_254_740_993n };
      const request =
        type === JSON_TYPE
          ? '{"logits":[[1,2]],"label":[0],"options":{"lse_square_scale":9007199254740993}}'
          : { label: [0], options, logits: [[1, 2]] };
      const { status, body } = await service.post(request, { type });
      expect(status, body.detail).toBe(200);
      expect(body.z_loss).toBeCloseTo(9_007_199_254_740_992 * Math.log(Math.E + Math.E ** 2) ** 2, -11);
    }
  });
});
