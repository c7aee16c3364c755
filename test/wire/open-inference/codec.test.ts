import { describe, expect, test } from 'vitest';
import { BATCH_TENSORS } from '../../../src/batch/header.ts';
import { OpenInferenceCodec } from '../../../src/wire/open-inference/codec.ts';
import { partsOf } from '../decode.ts';

const NAMES = { inputs: BATCH_TENSORS, always: ['loss'], optional: ['lse'] };
const DATA = Buffer.from([0, 0, 128, 63, 0, 0, 0, 64]);
const HEAD = { is: 'head', name: 'logits', dtype: 'float32', shape: [1, 2], isNumpy: false };
const label = { name: 'label', datatype: 'INT64', shape: [1], data: [1] };
const logits = { name: 'logits', datatype: 'FP32', shape: [1, 2] };
const binary = { ...logits, parameters: { binary_data_size: DATA.byteLength } };

function decode(request: object, data?: Uint8Array, chunkBytes?: number) {
  const json = Buffer.from(JSON.stringify(request));
  const jsonBytes = data === undefined ? undefined : json.byteLength;
  const codec = new OpenInferenceCodec({ jsonBytes, names: NAMES });
  const parts = partsOf(codec, Buffer.concat([json, data ?? Buffer.of()]), chunkBytes);
  return { parts, request: codec.request };
}

describe.each([1, 11, 1000])('in chunks of %i bytes', (chunkBytes) => {
  test('binary logits are a head, then runs; parameters are options', () => {
    const request = { id: '7', inputs: [label, binary], parameters: { reduction: 'sum', vocab_start: 3 } };
    const { parts, request: read } = decode(request, DATA, chunkBytes);
    expect(parts).toEqual([
      { is: 'field', name: 'vocab_start', value: 3 },
      { is: 'field', name: 'options', value: { reduction: 'sum' } },
      { is: 'field', name: 'label', value: { dtype: 'int64', shape: [1], data: [1] } },
      HEAD,
      { is: 'run', bytes: [...DATA] },
    ]);
    expect(read.id).toBe('7');
  });

  test('logits in the JSON are a field', () => {
    const { parts } = decode({ inputs: [label, { ...logits, data: [1, 2] }] }, undefined, chunkBytes);
    expect(parts).toMatchObject([{ name: 'label' }, { is: 'field', name: 'logits', value: { data: [1, 2] } }]);
  });
});

test('outputs that are listed are asked for', () => {
  const { request } = decode({ inputs: [label, { ...logits, data: [1, 2] }], outputs: [{ name: 'lse' }] });
  expect([request.outputs, request.options]).toEqual([[{ name: 'lse', binary: false }], { outputs: ['lse'] }]);
});

test.each([
  [{ inputs: [label] }, 'the field logits is missing'],
  [{ inputs: [{ ...logits, data: [1, 2] }] }, 'the field label is missing'],
  [{ inputs: [label, binary] }, 'which says where they begin, is missing'],
  [{ inputs: [label, { ...logits, datatype: 'INT8', data: [1, 2] }] }, 'logits'],
])('%j is refused', (request, says) => {
  expect(() => decode(request)).toThrow(says);
});

test.each([
  [{ inputs: [label, { ...logits, datatype: 'F32' }] }, '/inputs/1/datatype'],
  [{ inputs: [label, { ...logits, parameters: { binary_data_size: -1 } }] }, '/inputs/1/parameters/binary_data_size'],
  [{ inputs: [{ ...binary, data: [1, 2] }, label] }, '/inputs/0'],
  [{ inputs: [logits, label] }, '/inputs/0'],
  [{ inputs: [label, { name: 'logit' }] }, '/inputs/1/name'],
  [{ inputs: [{ ...label, parameters: { shared_memory_region: 'a' } }] }, '/inputs/0/parameters/shared_memory_region'],
  [{ inputs: [label], outputs: [{ name: 'loss' }, { name: 'lose' }] }, '/outputs/1/name'],
])('the error of %j points into the request at %s', (request, pointer) => {
  expect(() => decode(request)).toThrow(expect.objectContaining({ places: [expect.objectContaining({ pointer })] }));
});
