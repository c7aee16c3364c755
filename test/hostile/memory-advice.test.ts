/** Checks that the refusal of a request that would hold too much memory names the field and a remedy. */
import { expect, test } from 'vitest';
import { safetensorsFile } from '../safetensors-file.ts';
import { JSON_TYPE, MSGPACK, Service, encodeRequest } from '../service.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';

// A quarter of maxBytesInFlight is reserved for slabs.
const service = Service.start({ maxBytesInFlight: 2 ** 20, maxJsonBytes: 2 ** 24 });
const MOST = 2 ** 20 - 2 ** 18;

const ROWS = 9400;
const [TOO_MANY_LABELS, TOO_LARGE, NUMBERS] = [1_000_000, 300_000, 200_000];

const tensor = (dtype: Tensor['dtype'], shape: number[], bytes: number): Tensor => ({
  ...{ dtype, shape, data: new Uint8Array(bytes) },
});
const labels = (count: number): Tensor => tensor('uint8', [count], count);
const logits = (rows: number, classes = 2): Tensor => tensor('float16', [rows, classes], rows * classes * 2);

const STREAM = 'send the tensor `logits` last, after label, input_mask, weight and options: then it streams';
const AS_BYTES = 'send the elements of `logits` as bytes, after all other fields: then they stream';
const SPLIT = 'split the batch by rows';

const SHARD = { vocab_start: 0, vocab_size: 2 };
const NORM = { options: { check_for_nan_in_loss_and_grad: true } };

interface Case {
  request: object;
  says: string;
  type?: string;
  path?: string;
}

/** Entries of 9 bytes each. They take more memory than a request may hold. */
const MANY_ENTRIES = Array<number>(100_000).fill(0.1);

const CASES: Record<string, Case> = {
  'rows, with the logits last': {
    request: { label: labels(ROWS), logits: logits(ROWS) },
    says: `the results of ${ROWS} rows, 128 bytes each, must be buffered in memory, which would exceed the ${MOST} bytes that requests may hold; ${SPLIT}`,
  },
  'rows with the coefficients of their gradient': {
    request: { ...NORM, label: labels(ROWS), logits: logits(ROWS) },
    says: `the results of ${ROWS} rows, 160 bytes each, must be buffered in memory`,
  },
  'rows of a shard of the vocabulary': {
    request: { ...SHARD, label: labels(ROWS), logits: logits(ROWS) },
    says: `the results of ${ROWS} rows, 256 bytes each, must be buffered in memory`,
    path: '/v1/cross-entropy/partials',
  },
  'rows of a tensor that is diagnosed': {
    request: { logits: logits(40_000) },
    says: 'the results of 40000 rows, 64 bytes each, must be buffered in memory',
    path: '/v1/diagnose',
  },
  'columns of a tensor that is diagnosed': {
    request: { logits: logits(1, TOO_MANY_LABELS) },
    says: 'split the tensor by columns',
    path: '/v1/diagnose',
  },
  'logits before the label': { request: { logits: logits(TOO_LARGE), label: labels(TOO_LARGE) }, says: STREAM },
  'logits as an array of numbers': {
    request: { label: [0], logits: { dtype: 'float32', shape: [1, 100_000], data: MANY_ENTRIES } },
    says: `logits.data must be buffered in memory, which would exceed the ${MOST} bytes that requests may hold; ${AS_BYTES}`,
  },
  'logits as nested arrays': { request: { label: [0], logits: [MANY_ENTRIES] }, says: AS_BYTES },
  'more numbers than a field may have as values': {
    request: { label: [0], logits: [Array(2 ** 18 + 1).fill(0.5)] },
    says: 'an array or map has more than 262144 entries; send a tensor as {"dtype", "shape", "data"} with data as bin',
  },
  labels: { request: { label: labels(TOO_MANY_LABELS), logits: logits(1) }, says: `label must be buffered in memory` },
  'labels, which the order does not help': {
    request: { label: labels(TOO_MANY_LABELS), logits: logits(1) },
    says: `that requests may hold; ${SPLIT}`,
  },
  'class weights': {
    request: { weight: tensor('float64', [TOO_LARGE], 8 * TOO_LARGE), label: [0], logits: logits(1) },
    says: 'that requests may hold; make it shorter',
  },
  'a JSON body': {
    request: { label: [0], logits: [Array(NUMBERS).fill(0.5)] },
    says: 'the JSON body must be buffered in memory',
    type: JSON_TYPE,
  },
  'a JSON body, which has no order': {
    request: { label: [0], logits: [Array(NUMBERS).fill(0.5)] },
    says: 'send it as application/vnd.msgpack, with `logits` last: then they stream',
    type: JSON_TYPE,
  },
  partials: {
    request: { partials: ['x'.repeat(TOO_MANY_LABELS)] },
    says: `the body must be buffered in memory, which would exceed the ${MOST} bytes that requests may hold; ${SPLIT}`,
    path: '/v1/cross-entropy/combine',
  },
};

test.each(Object.entries(CASES))('%s', async (_what, { request, says, type = MSGPACK, path }) => {
  const { status, body } = await service.post(encodeRequest(request, type), { type, ...(path && { path }) });
  expect([status, body.code], body.detail).toEqual([413, 'body_too_large']);
  expect(body.detail).toContain(says);
});

test.each([
  ['label before logits', [labels(TOO_MANY_LABELS), logits(1)], SPLIT],
  ['logits before label', [logits(TOO_LARGE), labels(TOO_LARGE)], STREAM],
] as const)('of a safetensors file, %s', async (_what, tensors, says) => {
  const file = safetensorsFile(tensors.map((one) => [one.dtype === 'uint8' ? 'label' : 'logits', one]));
  const { status, body } = await service.post(file, { type: 'application/vnd.safetensors' });
  expect([status, body.code]).toEqual([413, 'body_too_large']);
  expect(body.detail).toContain(`that requests may hold; ${says}`);
});

test('the same rows in parts are evaluated', async () => {
  const rows = ROWS / 2;
  const { status, body } = await service.post({ label: labels(rows), logits: logits(rows) }, { type: MSGPACK });
  expect([status, body.rows.counted]).toEqual([200, rows]);
});
