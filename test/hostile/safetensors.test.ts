/**
 * Invalid safetensors files, each with one fault. They include the attacks that the library's authors tried:
 * https://github.com/huggingface/safetensors/tree/main/attacks
 */
import { afterEach, describe, expect, test } from 'vitest';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { safetensorsFile, withHeader } from '../safetensors-file.ts';
import { JSON_TYPE, Service } from '../service.ts';
import type { Answer } from '../service.ts';

const SAFETENSORS = 'application/vnd.safetensors';

const service = Service.start({ maxBytesInFlight: 2 ** 20 });

const logits: Tensor = {
  ...{ dtype: 'float32', shape: [2, 3] },
  data: new Uint8Array(Float32Array.of(1, 2, 3, 0, 1, 0).buffer),
};
const label: Tensor = { dtype: 'int64', shape: [2], data: new Uint8Array(BigInt64Array.of(2n, 0n).buffer) };
const good = safetensorsFile([
  ['label', label],
  ['logits', logits],
]);
const BUFFER = Buffer.concat([label.data, logits.data]);

/** The header of the good file. */
const LABEL = { dtype: 'I64', shape: [2], data_offsets: [0, 16] };
const LOGITS = { dtype: 'F32', shape: [2, 3], data_offsets: [16, 40] };

afterEach(async () => {
  const { status, body } = await service.post(good, { type: SAFETENSORS });
  expect([status, body.loss], 'the service stays up').toEqual([200, expect.closeTo(0.9795257, 6)]);
});

/** Posts a file with Content-Length, and in chunked encoding. */
async function postBoth(file: Uint8Array, type = SAFETENSORS): Promise<Answer[]> {
  const chunked = await fetch(`${service.url}/v1/cross-entropy`, {
    method: 'POST',
    headers: { 'content-type': type },
    body: new Blob([new Uint8Array(file)]).stream(),
    duplex: 'half',
  });
  const answer = { status: chunked.status, body: (await chunked.json()) as Answer['body'] };
  return [await service.post(file, { type }), answer as Answer];
}

interface Refusal {
  header?: unknown;
  /** The whole file, for cases whose header is not JSON. */
  file?: Uint8Array;
  /** Bytes after the header. */
  rest?: Uint8Array;
  status: number;
  code: string;
  pointer?: string;
  says: string[];
}

const malformed = { status: 400, code: 'malformed_body' };
const invalid = { status: 422, code: 'invalid_tensor' };

const REFUSALS: Record<string, Refusal> = {
  nothing: { file: new Uint8Array(0), status: 400, code: 'truncated_body', says: ['length of the safetensors header'] },
  'seven bytes': {
    file: new Uint8Array(7),
    ...{ status: 400, code: 'truncated_body' },
    says: ['expected 8 bytes, received 7'],
  },
  // safetensors_abuse_attempt_1.py
  'a header of the largest length that there is': {
    file: Buffer.from('ffffffffffffffff7b7d', 'hex'),
    ...malformed,
    says: ['not a safetensors file', '18446744073709551615 bytes', '100000000'],
  },
  'a header of 100,000,001 bytes': {
    file: Buffer.from('01e1f505000000007b7d', 'hex'),
    ...malformed,
    says: ['100000001 bytes', 'expected 2 to 100000000'],
  },
  'a header of more bytes than any request needs': {
    file: withHeader(Buffer.alloc(2 ** 20 + 1, '{')),
    ...{ status: 413, code: 'body_too_large' },
    says: ['1048577 bytes', '1048576'],
  },
  'a header without a byte': { file: new Uint8Array(8), ...malformed, says: ['a header of 0 bytes'] },
  'a header that ends early': {
    file: withHeader('{"label": 1}').subarray(0, -3),
    ...{ status: 400, code: 'truncated_body' },
    says: ['within the safetensors header', 'expected 12 bytes, received 9'],
  },
  text: { file: Buffer.from('{"logits": [[1, 2]], "label": [0]}'), ...malformed, says: ['not a safetensors file'] },
  'zeros in place of a header': {
    file: withHeader(new Uint8Array(16)),
    ...malformed,
    says: ['byte 8 is 0x00, expected 0x7b'],
  },
  'a letter before the header': { file: withHeader('x{}'), ...malformed, says: ['byte 8 is 0x78'] },
  'white space and no header': { file: withHeader(' \t\r\n'), ...malformed, says: ['is not JSON'] },
  'a byte order mark': { file: withHeader('\ufeff{}'), ...malformed, says: ['byte 8 is 0xef'] },
  'a header that is not UTF-8': {
    file: withHeader(Buffer.from('7b22ff223a317d', 'hex')),
    ...malformed,
    says: ['UTF-8'],
  },
  'a header that is not JSON': { file: withHeader('{"label": }'), ...malformed, says: ['is not JSON'] },
  'two headers in one': { file: withHeader('{}{}'), ...malformed, says: ['is not JSON'] },
  'a header with a comment': { file: withHeader('{} // fine'), ...malformed, says: ['is not JSON'] },
  'a header with a NUL behind it': { file: withHeader('{}\0'), ...malformed, says: ['is not JSON'] },
  'a header nested 100,000 times': {
    file: withHeader(`{"label":${'['.repeat(100_000)}${']'.repeat(100_000)}}`),
    ...malformed,
    says: ['has [[[…]]] for label'],
  },
  'no tensor at all': {
    file: withHeader('{}'),
    ...{ status: 422, code: 'missing_field', pointer: '/logits' },
    says: ['logits is missing'],
  },
  'no label': {
    header: { logits: { ...LOGITS, data_offsets: [0, 24] } },
    rest: logits.data,
    ...{ status: 422, code: 'missing_field', pointer: '/label' },
    says: ['label is missing'],
  },
  'a tensor that nobody asked for': {
    header: { label: LABEL, logits: LOGITS, bananas: { dtype: 'F32', shape: [0], data_offsets: [40, 40] } },
    ...{ status: 422, code: 'unknown_field', pointer: '/bananas' },
    says: ['"bananas"', 'known fields are logits, label, input_mask, weight'],
  },
  'a synonym': {
    header: { labels: LABEL, logits: LOGITS },
    ...{ status: 422, code: 'unknown_field', pointer: '/labels' },
    says: ['did you mean label?'],
  },
  __proto__: {
    file: withHeader('{"__proto__":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}', new Uint8Array(4)),
    ...{ status: 422, code: 'unknown_field' },
    says: ['"__proto__"'],
  },
  'a name that stands twice': {
    file: withHeader(
      `{"label":${JSON.stringify(LABEL)},"logits":${JSON.stringify(LOGITS)},"label":${JSON.stringify(LABEL)}}`,
      BUFFER,
    ),
    ...malformed,
    says: ['the name "label" twice'],
  },
  'a name that stands twice, spelt in two ways': {
    file: withHeader(`{"label":${JSON.stringify(LABEL)},"logits":${JSON.stringify(LOGITS)},"l\\u0061bel":1}`, BUFFER),
    ...malformed,
    says: ['the name "label" twice'],
  },
  'a dtype that stands twice': {
    file: withHeader(
      `{"label":{"dtype":"I8","dtype":"I64","shape":[2],"data_offsets":[0,16]},"logits":${JSON.stringify(LOGITS)}}`,
      BUFFER,
    ),
    ...malformed,
    says: ['the name "dtype" twice'],
  },
  'options that stand twice': {
    file: withHeader('{"__metadata__":{"options":"{}","a":"\\"","options":"{}"}}'),
    ...malformed,
    says: ['the name "options" twice'],
  },
  'options as a tensor': {
    header: { label: LABEL, logits: LOGITS, options: { dtype: 'F32', shape: [0], data_offsets: [40, 40] } },
    ...{ ...invalid, pointer: '/options' },
    says: ['JSON text in __metadata__.options'],
  },
  'metadata that is no object': {
    header: { __metadata__: ['x'], label: LABEL, logits: LOGITS },
    ...malformed,
    says: ['["x"] as __metadata__'],
  },
  'metadata that is no text': {
    header: { __metadata__: { options: { reduction: 'sum' } }, label: LABEL, logits: LOGITS },
    ...{ ...malformed, pointer: '/__metadata__/options' },
    says: ['{"reduction":"sum"}', 'expected text'],
  },
  'options that are not JSON': {
    header: { __metadata__: { options: 'reduction=sum' }, label: LABEL, logits: LOGITS },
    ...{ ...malformed, pointer: '/__metadata__/options' },
    says: ['"reduction=sum"', 'expected JSON text'],
  },
  'a misspelt option': {
    header: { __metadata__: { options: '{"reducton":"sum"}' }, label: LABEL, logits: LOGITS },
    ...{ status: 422, code: 'invalid_option', pointer: '/options/reducton' },
    says: ['did you mean reduction?'],
  },
  'misspelt options': {
    header: { __metadata__: { option: '{"reduction":"sum"}' }, label: LABEL, logits: LOGITS },
    ...{ status: 422, code: 'unknown_field', pointer: '/__metadata__/option' },
    says: ['did you mean options?'],
  },
  'an option beside the options': {
    header: { __metadata__: { reduction: 'sum' }, label: LABEL, logits: LOGITS },
    ...{ status: 422, code: 'unknown_field', pointer: '/__metadata__/reduction' },
    says: ['belongs in __metadata__.options'],
  },
  'a tensor that is text': { header: { label: 'zeros', logits: LOGITS }, ...malformed, says: ['"zeros" for label'] },
  'a tensor that is null': { header: { label: null, logits: LOGITS }, ...malformed, says: ['null for label'] },
  'a tensor with a key that nobody knows': {
    header: { label: { ...LABEL, strides: [8] }, logits: LOGITS },
    ...malformed,
    says: ['"strides" in label', 'dtype, shape, data_offsets'],
  },
  'a tensor without dtype': {
    header: { label: { ...LABEL, dtype: undefined }, logits: LOGITS },
    ...{ ...invalid, pointer: '/label/dtype' },
    says: ['label.dtype is undefined'],
  },
  ...Object.fromEntries(
    ['F8_E4M3FNUZ', 'F8_E5M2FNUZ', 'F8_E8M0', 'F4', 'F6_E2M3', 'C64', 'f32', 'float32', 'toString', 32].map((dtype) => [
      `the dtype ${dtype}`,
      {
        header: { label: LABEL, logits: { ...LOGITS, dtype } },
        ...{ ...invalid, pointer: '/logits/dtype' },
        says: [`logits.dtype is ${JSON.stringify(dtype)}`, 'F16, BF16, F32, F64'],
      },
    ]),
  ),
  'logits of integers': {
    header: { label: LABEL, logits: { ...LOGITS, dtype: 'I32' } },
    ...{ ...invalid, pointer: '/logits/dtype' },
    says: ['int32', 'float16, bfloat16, float32, float64'],
  },
  'a negative size': {
    header: { label: { ...LABEL, shape: [-2] }, logits: LOGITS },
    ...{ ...invalid, pointer: '/label/shape' },
    says: ['label.shape is [-2]'],
  },
  'a shape whose product overflows': {
    header: { label: { ...LABEL, shape: [2 ** 40, 2 ** 40] }, logits: LOGITS },
    ...{ ...invalid, pointer: '/label/data' },
    says: ['more bytes than can be counted'],
  },
  'a shape of 33 axes': {
    header: { label: { ...LABEL, shape: Array.from({ length: 33 }, () => 1) }, logits: LOGITS },
    ...invalid,
    says: ['at most 32'],
  },
  'bytes that do not fill the shape': {
    header: { label: { ...LABEL, shape: [3] }, logits: LOGITS },
    ...{ ...invalid, pointer: '/label/data' },
    says: ['16 bytes', '(3,)', '24 bytes'],
  },
  ...Object.fromEntries(
    [[0], [0, 16, 32], '0-16', null, [-8, 8], [0, 1.5], [16, 0], ['0', '16'], [0, 1e300]].map((offsets) => [
      `the offsets ${JSON.stringify(offsets)}`,
      {
        header: { label: { ...LABEL, data_offsets: offsets }, logits: LOGITS },
        ...{ ...invalid, pointer: '/label/data_offsets' },
        says: ['label.data_offsets is', '0 ≤ begin ≤ end'],
      },
    ]),
  ),
  // safetensors_abuse_attempt_3.py: many tensors share the same bytes.
  'tensors on the same bytes': {
    header: {
      label: LABEL,
      input_mask: { dtype: 'I64', shape: [2], data_offsets: [0, 16] },
      logits: LOGITS,
    },
    ...{ ...invalid, pointer: '/input_mask/data_offsets' },
    says: ['overlap', 'input_mask begins at byte 0, but label ends at byte 16'],
  },
  'tensors that overlap': {
    header: { label: LABEL, logits: { ...LOGITS, data_offsets: [8, 32] } },
    ...{ ...invalid, pointer: '/logits/data_offsets' },
    says: ['overlap', 'logits begins at byte 8, but label ends at byte 16'],
  },
  'a hole between tensors': {
    header: { label: LABEL, logits: { ...LOGITS, data_offsets: [24, 48] } },
    rest: Buffer.concat([BUFFER, new Uint8Array(8)]),
    ...{ ...invalid, pointer: '/logits/data_offsets' },
    says: ['leave a hole', 'logits begins at byte 24, but label ends at byte 16'],
  },
  'a hole behind the header': {
    header: { label: { ...LABEL, data_offsets: [8, 24] }, logits: { ...LOGITS, data_offsets: [24, 48] } },
    rest: Buffer.concat([new Uint8Array(8), BUFFER]),
    ...{ ...invalid, pointer: '/label/data_offsets' },
    says: ['leave a hole', 'label begins at byte 8, but the header ends at byte 0'],
  },
  'tensors beyond the end of the file': {
    header: { label: LABEL, logits: LOGITS },
    rest: BUFFER.subarray(0, -1),
    ...{ status: 400, code: 'truncated_body' },
    says: ['expected', 'received'],
  },
  'bytes after the last tensor': {
    header: { label: LABEL, logits: LOGITS },
    rest: Buffer.concat([BUFFER, Buffer.of(1, 2, 3)]),
    ...malformed,
    says: ['follow'],
  },
  'bytes after tensors that are empty': {
    header: {
      label: { dtype: 'I64', shape: [0], data_offsets: [0, 0] },
      logits: { dtype: 'F32', shape: [0, 3], data_offsets: [0, 0] },
    },
    rest: Buffer.of(0),
    ...malformed,
    says: ['follow'],
  },
  'a bool of 2': {
    header: {
      label: LABEL,
      input_mask: { dtype: 'BOOL', shape: [2], data_offsets: [16, 18] },
      logits: { ...LOGITS, data_offsets: [18, 42] },
    },
    rest: Buffer.concat([label.data, Buffer.of(1, 2), logits.data]),
    ...{ ...invalid, pointer: '/input_mask/data/1' },
    says: ['byte 1 of input_mask.data is 2'],
  },
};

test.each(Object.entries(REFUSALS))('%s', async (_name, { header, file, rest = BUFFER, says, pointer, ...refusal }) => {
  const body = file ?? withHeader(JSON.stringify(header), rest);
  for (const answer of await postBoth(body)) {
    expect({ status: answer.status, code: answer.body.code }, answer.body.detail).toEqual(refusal);
    for (const part of says) expect(answer.body.detail).toContain(part);
    expect(answer.body.detail.length).toBeLessThan(500);
    if (pointer !== undefined) expect(answer.body.errors?.map((error) => error.pointer)).toContain(pointer);
  }
});

test('a header is read as the library reads it: white space around it, and metadata that are null', async () => {
  const header = { __metadata__: null, label: LABEL, logits: LOGITS };
  const [plain] = await postBoth(withHeader(JSON.stringify({ label: LABEL, logits: LOGITS }), BUFFER));
  for (const before of ['', ' ', '\n\t\r ']) {
    for (const answer of await postBoth(withHeader(`${before}${JSON.stringify(header, null, 1)} \n`, BUFFER))) {
      expect([answer.status, answer.body.loss]).toEqual([200, plain!.body.loss]);
    }
  }
});

test('rows of an exabyte are refused before any memory is taken for them', async () => {
  const wide = { dtype: 'F32', shape: [2, 2 ** 49], data_offsets: [16, 16 + 2 ** 52] };
  const [announced, chunked] = await postBoth(withHeader(JSON.stringify({ label: LABEL, logits: wide }), BUFFER));
  expect([announced!.status, announced!.body.code]).toEqual([400, 'truncated_body']);
  expect(announced!.body.detail).toContain('expected 4503599627370512 bytes, received 40');
  expect([chunked!.status, chunked!.body.code]).toEqual([413, 'body_too_large']);
});

describe('application/octet-stream', () => {
  test('is read as safetensors', async () => {
    expect((await service.post(good, { type: 'application/octet-stream' })).status).toBe(200);
  });

  test.each([
    ['zeros', new Uint8Array(1000)],
    ['a PNG', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')],
    ['MessagePack', Buffer.from('82a56c6162656c9100a66c6f676974739191cb3ff0000000000000', 'hex')],
  ])('%s is not', async (_name, body) => {
    for (const { status, body: problem } of await postBoth(body, 'application/octet-stream')) {
      expect([status, problem.code]).toEqual([400, 'malformed_body']);
      expect(problem.detail).toContain('the body is not a safetensors file');
    }
  });
});

test('logits before the label wait in bounded memory, and past the bound the order is named', async () => {
  const large: Tensor = { dtype: 'float32', shape: [400, 1000], data: new Uint8Array(1_600_000) };
  const labels: Tensor = { dtype: 'int32', shape: [400], data: new Uint8Array(1600) };
  const orders: Record<'first' | 'last', [string, Tensor][]> = {
    first: [
      ['logits', large],
      ['label', labels],
    ],
    last: [
      ['label', labels],
      ['logits', large],
    ],
  };
  const refused = await service.post(safetensorsFile(orders.first), { type: SAFETENSORS });
  expect([refused.status, refused.body.code]).toEqual([413, 'body_too_large']);
  expect(refused.body.detail).toContain('send the tensor `logits` last');
  expect((await service.post(safetensorsFile(orders.last), { type: SAFETENSORS })).status).toBe(200);
});

test('metadata that is none of the service’s business is left alone', async () => {
  const metadata = { format: 'pt', step: '100', note: 'not JSON {', options: '{"reduction":"sum"}' };
  const file = safetensorsFile(
    [
      ['label', label],
      ['logits', logits],
    ],
    metadata,
  );
  const { status, body } = await service.post(file, { type: SAFETENSORS });
  expect(status).toBe(200);
  expect(body.loss).toBe(body.numerator);
});

test('values without logits are none, and the media types that have them are named', async () => {
  const { status, body } = await service.post(good, { type: SAFETENSORS, path: '/v1/cross-entropy/combine' });
  expect([status, body.code]).toEqual([415, 'unsupported_media_type']);
  for (const type of ['application/vnd.msgpack', JSON_TYPE]) expect(body.detail).toContain(type);
  expect(body.detail).not.toContain('octet-stream');
});
