import { expect, test } from 'vitest';
import { Service } from '../service.ts';

const service = Service.start();

/** Integers that float64 does not have, and the greatest and least of their dtypes. */
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
