import { Packr } from 'msgpackr';
import { afterEach, describe, expect, test } from 'vitest';
import { exchange } from '../raw-http.ts';
import type { RawAnswer } from '../raw-http.ts';
import { JSON_TYPE, MSGPACK, Service, encodeRequest } from '../service.ts';

const service = Service.start({ maxJsonBytes: 10_000, maxBytesInFlight: 2 ** 20, maxBodyBytes: 2 ** 22 });

const roomy = Service.shared();

const good = {
  logits: [
    [1, 2, 3],
    [0, 1, 0],
  ],
  label: [2, 0],
};
const float32 = (values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
const logits = { dtype: 'float32', shape: [2, 3], data: float32([1, 2, 3, 0, 1, 0]) };

afterEach(async () => {
  const { status } = await service.post(good);
  expect(status, 'the service stays up').toBe(200);
});

interface Refusal {
  request: unknown;
  status: number;
  code: string;
  pointer?: string;
  /** Parts of the detail: the tensor or option, the value and the bound. */
  says: string[];
}

const REFUSALS: Record<string, Refusal> = {
  'logits missing': {
    request: { label: [0] },
    status: 422,
    code: 'missing_field',
    pointer: '/logits',
    says: ['logits', '(N, C)'],
  },
  'label missing': {
    request: { logits: good.logits },
    status: 422,
    code: 'missing_field',
    pointer: '/label',
    says: ['label', '(N,)'],
  },
  'label null': {
    request: { logits: good.logits, label: null },
    status: 422,
    code: 'missing_field',
    pointer: '/label',
    says: ['label'],
  },
  'a synonym of a field': {
    request: { logits: good.logits, labels: [0, 0] },
    status: 422,
    code: 'unknown_field',
    pointer: '/labels',
    says: ['"labels"', 'did you mean label?'],
  },
  'target for label': {
    request: { logits: good.logits, target: [0, 0] },
    status: 422,
    code: 'unknown_field',
    pointer: '/target',
    says: ['did you mean label?'],
  },
  'mask for input_mask': {
    request: { ...good, mask: [1, 1] },
    status: 422,
    code: 'unknown_field',
    pointer: '/mask',
    says: ['did you mean input_mask?'],
  },
  'an option at the top level': {
    request: { ...good, reduction: 'sum' },
    status: 422,
    code: 'unknown_field',
    pointer: '/reduction',
    says: ['"reduction"', 'belongs in "options"'],
  },
  'a misspelt option at the top level': {
    request: { ...good, ignore_indx: 1 },
    status: 422,
    code: 'unknown_field',
    says: ['"options": {"ignore_index": …}'],
  },
  'an unknown field': {
    request: { ...good, bananas: 1 },
    status: 422,
    code: 'unknown_field',
    says: ['"bananas"', 'logits, label, input_mask, weight, segments, bytes, words, options'],
  },
  'a misspelt option': {
    request: { ...good, options: { reducton: 'sum' } },
    status: 422,
    code: 'invalid_option',
    pointer: '/options/reducton',
    says: ['"reducton"', 'did you mean reduction?'],
  },
  'an unknown option': {
    request: { ...good, options: { bananas: 1 } },
    status: 422,
    code: 'invalid_option',
    says: ['"bananas"', 'known are reduction, ignore_index'],
  },
  'a gradient in a dtype that cannot be had': {
    request: { ...good, options: { gradient_dtype: 'float64' } },
    status: 422,
    code: 'invalid_option',
    pointer: '/options/gradient_dtype',
    says: ['"float64"', 'float32'],
  },
  'an option’s wrong value': {
    request: { ...good, options: { reduction: 'avg' } },
    status: 422,
    code: 'invalid_option',
    pointer: '/options/reduction',
    says: ['"avg"', 'mean, sum, none'],
  },
  'an option’s wrong type': {
    request: { ...good, options: { ignore_index: 1.5 } },
    status: 422,
    code: 'invalid_option',
    says: ['1.5', 'an integer in [-9007199254740991, 9007199254740991]'],
  },
  'a null in the list of an option': {
    request: { ...good, options: { ignore_index: [null] } },
    status: 422,
    code: 'invalid_option',
    says: ['null'],
  },
  'options that are no map': {
    request: { ...good, options: [1] },
    status: 422,
    code: 'invalid_option',
    pointer: '/options',
    says: ['[1]'],
  },
  'an unknown output': {
    request: { ...good, options: { outputs: ['everything'] } },
    status: 422,
    code: 'invalid_option',
    says: ['everything', 'per_token_loss'],
  },
  'a label beyond the classes': {
    request: { ...good, label: [2, 3] },
    status: 422,
    code: 'invalid_label',
    pointer: '/label/data/1',
    says: ['label[1] is 3', '[0, 3)'],
  },
  'a negative label': {
    request: { ...good, label: [-1, 0] },
    status: 422,
    code: 'invalid_label',
    pointer: '/label/data/0',
    says: ['label[0] is -1', '[0, 3)'],
  },
  'labels as floats': {
    request: { ...good, label: [0.5, 1] },
    status: 422,
    code: 'invalid_label',
    says: ['float32', '(2,)', 'class indices are integers'],
  },
  'labels of float dtype': {
    request: { ...good, label: { dtype: 'float64', shape: [2], data: [0, 1] } },
    status: 422,
    code: 'invalid_label',
    says: ['class indices are integers', 'class probabilities'],
  },
  'too few labels': {
    request: { ...good, label: [0] },
    status: 422,
    code: 'shape_mismatch',
    pointer: '/label/shape',
    says: ['label', '(1,)', '(2, 3)', '(2,)'],
  },
  'labels of too many axes': {
    request: { ...good, label: [[[0]], [[1]]] },
    status: 422,
    code: 'shape_mismatch',
    says: ['label', '(2, 1, 1)'],
  },
  'too short a mask': {
    request: { ...good, input_mask: [1] },
    status: 422,
    code: 'shape_mismatch',
    pointer: '/input_mask/shape',
    says: ['input_mask', '(1,)', '(2,)'],
  },
  'a negative mask': {
    request: { ...good, input_mask: [1, -1] },
    status: 422,
    code: 'invalid_mask',
    pointer: '/input_mask/data/1',
    says: ['input_mask[1] is -1', 'not negative'],
  },
  'a mask of NaN': {
    request: { ...good, input_mask: ['NaN', 1] },
    status: 422,
    code: 'invalid_mask',
    says: ['input_mask[0] is NaN'],
  },
  'an infinite mask': {
    request: { ...good, input_mask: [1, 'Infinity'] },
    status: 422,
    code: 'invalid_mask',
    says: ['input_mask[1] is Infinity'],
  },
  'logits of no axis': {
    request: { logits: { dtype: 'float32', shape: [], data: [1] }, label: [2] },
    status: 422,
    code: 'shape_mismatch',
    pointer: '/logits/shape',
    says: ['()', '(N, C)'],
  },
  'logits without classes': {
    request: { logits: { dtype: 'float32', shape: [2, 0], data: [] }, label: [0, 0] },
    status: 422,
    code: 'shape_mismatch',
    says: ['(2, 0)', '1 ≤ C'],
  },
  'ragged logits': {
    request: { logits: [[1, 2], [3]], label: [0, 0] },
    status: 422,
    code: 'invalid_tensor',
    pointer: '/logits',
    says: ['ragged'],
  },
  'logits nested unevenly': {
    request: {
      logits: [
        [1, 2],
        [3, [4]],
      ],
      label: [0, 0],
    },
    status: 422,
    code: 'invalid_tensor',
    says: ['ragged'],
  },
  'text among the logits': {
    request: { logits: [[1, 'two', 3]], label: [0] },
    status: 422,
    code: 'invalid_tensor',
    pointer: '/logits/data/1',
    says: ['entry 1 of logits is "two"'],
  },
  'logits that are a number': {
    request: { logits: 3, label: [0] },
    status: 422,
    code: 'invalid_tensor',
    says: ['logits is 3'],
  },
  'a shape that the entries do not fill': {
    request: { logits: { shape: [2, 2], data: [1, 2, 3] }, label: [0, 0] },
    status: 422,
    code: 'invalid_tensor',
    pointer: '/logits/data',
    says: ['3 entries', '(2, 2)', '4'],
  },
  'an unknown dtype': {
    request: { ...good, logits: { dtype: 'f32', shape: [1, 1], data: [1] } },
    status: 422,
    code: 'invalid_tensor',
    pointer: '/logits/dtype',
    says: ['"f32"', 'float32'],
  },
  'logits of integers': {
    request: { ...good, logits: { dtype: 'int32', shape: [2, 3], data: [1, 2, 3, 4, 5, 6] } },
    status: 422,
    code: 'invalid_tensor',
    says: ['int32', 'float16, bfloat16, float32, float64'],
  },
  'a negative size': {
    request: { ...good, logits: { dtype: 'float32', shape: [-1, 3], data: [] } },
    status: 422,
    code: 'invalid_tensor',
    pointer: '/logits/shape',
    says: ['[-1,3]'],
  },
  'a size that is no integer': {
    request: { ...good, logits: { dtype: 'float32', shape: [1.5, 3], data: [] } },
    status: 422,
    code: 'invalid_tensor',
    says: ['1.5'],
  },
  'an unknown key of a tensor': {
    request: { ...good, label: { dtype: 'int8', shape: [2], values: [0, 0] } },
    status: 422,
    code: 'unknown_field',
    pointer: '/label/values',
    says: ['"values"', 'did you mean data?'],
  },
  'a label too large for its dtype': {
    request: { ...good, label: { dtype: 'int8', shape: [2], data: [0, 128] } },
    status: 422,
    code: 'invalid_tensor',
    pointer: '/label/data/1',
    says: ['128', '[-128, 127]'],
  },
};

describe.each([JSON_TYPE, MSGPACK])('%s', (type) => {
  test.each(Object.entries(REFUSALS))('%s', async (_name, { request, status, code, pointer, says }) => {
    const answer = await service.post(request, { type });
    expect(answer).toMatchObject({ status, type: 'application/problem+json', body: { status, code } });
    expect(answer.body).toMatchObject({
      type: `urn:lossmeter:problem:${code}`,
      title: expect.any(String) as string,
      instance: expect.stringMatching(/^urn:uuid:[0-9a-f-]{36}$/) as string,
    });
    for (const part of says) expect(answer.body.detail).toContain(part);
    if (pointer !== undefined) expect(answer.body.errors?.map((error) => error.pointer)).toContain(pointer);
  });
});

describe('MessagePack', () => {
  const pack = (request: unknown): Uint8Array => encodeRequest(request, MSGPACK) as Uint8Array;

  test.each([
    ['too short', { ...logits, data: logits.data.subarray(4) }, ['logits.data', '20 bytes', '(2, 3)', '24 bytes']],
    ['too long', { ...logits, data: new Uint8Array(28) }, ['28 bytes', '24 bytes']],
    ['of no dtype', { shape: [2, 3], data: logits.data }, ['logits has no dtype']],
    ['of no shape', { dtype: 'float32', data: logits.data }, ['logits has no shape']],
    ['without data', { dtype: 'float32', shape: [2, 3] }, ['logits has no data']],
    [
      'of a shape whose product overflows',
      { ...logits, shape: [2 ** 40, 2 ** 40] },
      ['(1099511627776, 1099511627776)', 'more bytes than can be counted'],
    ],
    ['of 33 axes', { ...logits, shape: Array.from({ length: 33 }, () => 1) }, ['at most 32']],
  ])('logits %s are refused, streamed or held', async (_name, wrong, says) => {
    for (const request of [
      { label: [0, 0], logits: wrong },
      { logits: wrong, label: [0, 0] },
    ]) {
      const { status, body } = await service.post(pack(request), { type: MSGPACK });
      expect([status, body.code]).toEqual([422, 'invalid_tensor']);
      for (const part of says) expect(body.detail).toContain(part);
    }
  });

  test('a label whose bytes do not fit its shape is refused', async () => {
    const { body } = await service.post(
      pack({ label: { dtype: 'int64', shape: [2], data: new Uint8Array(8) }, logits }),
      { type: MSGPACK },
    );
    expect(body.detail).toBe('label.data has 8 bytes, but shape (2,) of int64 needs 16 bytes');
  });

  test.each(Array.from({ length: 12 }, (_, k) => k))('a body cut at %i twelfths is refused as truncated', async (k) => {
    const body = pack({ options: {}, label: [0, 0], logits });
    const answer = await service.post(body.subarray(0, Math.floor((body.byteLength * k) / 12)), { type: MSGPACK });
    expect([answer.status, answer.body.code]).toEqual([400, 'truncated_body']);
  });

  test('logits cut short name what was announced and what came', async () => {
    const body = pack({ label: [0, 0], logits });
    const answer = await service.post(body.subarray(0, -5), { type: MSGPACK });
    expect(answer.body.detail).toBe('the body ends within logits.data: expected 24 bytes, received 19');
  });

  test.each([
    ['bytes after the request', Buffer.concat([pack({ label: [0, 0], logits }), Buffer.of(1)]), 'follow the end'],
    ['a body that is no map', Buffer.of(0x93, 1, 2, 3), 'not a map'],
    ['the byte that is never used', Buffer.of(0xc1), '0xc1'],
    [
      'a field that comes twice',
      Buffer.concat([Buffer.of(0x82), pack('label'), pack([0]), pack('label'), pack([0])]),
      '"label" comes twice',
    ],
    [
      'a key of logits that comes twice',
      Buffer.concat([
        Buffer.of(0x81),
        pack('logits'),
        Buffer.of(0x82),
        pack('dtype'),
        pack('float32'),
        pack('dtype'),
        pack('float32'),
      ]),
      '"logits.dtype" comes twice',
    ],
    [
      '200,000 levels of nesting',
      Buffer.concat([Buffer.of(0x81), pack('label'), Buffer.alloc(200_000, 0x91), Buffer.of(1)]),
      'nested deeper than 64',
    ],
    [
      'an extension nobody knows',
      Buffer.concat([Buffer.of(0x81), pack('label'), Buffer.of(0xd4, 0x63, 0)]),
      'starts a MessagePack extension',
    ],
  ])('%s is refused', async (_name, body, says) => {
    const answer = await service.post(body, { type: MSGPACK });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(answer.body.detail).toContain(says);
  });

  test('an array that announces 2^32 entries is refused before any of them', async () => {
    const body = Buffer.concat([Buffer.of(0x81), pack('label'), Buffer.of(0xdd, 0xff, 0xff, 0xff, 0xff)]);
    expect((await service.post(body, { type: MSGPACK })).body.code).toBe('body_too_large');
  });

  test('logits before the label wait in bounded memory, and past the bound the order is named', async () => {
    const large = { dtype: 'float32', shape: [400, 1000], data: new Uint8Array(1_600_000) };
    const label = Array.from({ length: 400 }, () => 0);
    const late = await service.post(pack({ logits: large, label }), { type: MSGPACK });
    expect([late.status, late.body.code]).toEqual([413, 'body_too_large']);
    expect(late.body.detail).toContain('send the tensor `logits` last');
    expect((await service.post(pack({ label, logits: large }), { type: MSGPACK })).status).toBe(200);
  });

  test('record extensions do not make objects', async () => {
    const records = new Packr({ useRecords: true }).pack({ logits: [[1, 2]], label: [0] });
    const { status } = await service.post(records, { type: MSGPACK });
    expect(status).toBe(400);
  });
});

describe('JSON', () => {
  test.each([
    ['nothing', '', 'not JSON'],
    ['text', 'hello', 'not JSON'],
    ['an array', '[1]', 'expected an object'],
    ['a cut object', '{"logits": [[1, 2', 'not JSON'],
    ['NaN outside of a value', '{"logits": NaN NaN}', 'not JSON'],
  ])('%s is refused', async (_name, text, says) => {
    const { status, body } = await service.post(text);
    expect([status, body.code]).toEqual([400, 'malformed_body']);
    expect(body.detail).toContain(says);
  });

  test('data that is not base64 is refused', async () => {
    const { body } = await service.post({ ...good, logits: { dtype: 'float32', shape: [1, 1], data: 'AAAA*A==' } });
    const detail = 'logits.data is text that is not base64: character 4 is "*"';
    expect([body.code, body.detail]).toEqual(['invalid_tensor', detail]);
  });

  test('a body over the bound is refused with the bound', async () => {
    const { status, body } = await service.post(' '.repeat(10_001));
    expect([status, body.code]).toEqual([413, 'body_too_large']);
    expect(body.detail).toContain('10000');
  });

  test('__proto__ is an unknown field', async () => {
    const { status, body } = await service.post('{"__proto__": {"logits": [[1]]}, "label": [0]}');
    expect([status, body.code]).toEqual([422, 'unknown_field']);
  });
});

describe('media types', () => {
  test.each([
    ['application/x-www-form-urlencoded', 'Content-Type is application/x-www-form-urlencoded'],
    ['text/plain', 'Content-Type is text/plain'],
    ['multipart/form-data; boundary=x', 'Content-Type is multipart/form-data'],
    ['application/jsonx', 'Content-Type is application/jsonx'],
  ])('%s is refused with the list and an example', async (type, says) => {
    const { status, body } = await service.post(JSON.stringify(good), { type });
    expect([status, body.code]).toEqual([415, 'unsupported_media_type']);
    for (const part of [says, 'application/vnd.msgpack', 'application/json', 'curl'])
      expect(body.detail).toContain(part);
  });

  test('none at all is refused', async () => {
    const response = await fetch(`${service.url}/v1/cross-entropy`, { method: 'POST', body: Buffer.from('{}') });
    expect(response.status).toBe(415);
    expect(await response.text()).toContain('there is no Content-Type');
  });

  test.each([
    'Application/JSON; charset=utf-8',
    'application/json;',
    'application/json; charset',
    'application/json; =x',
  ])('parameters and case do not matter: %s', async (type) => {
    const { status } = await service.post(JSON.stringify(good), { type });
    expect(status).toBe(200);
  });

  const JSON_LINE = 'content-type: application/json\r\n';

  /** A POST with the given lines of Content-Type. */
  const post = (path: string, lines: string, body: string): Promise<RawAnswer> => {
    const head = `POST ${path} HTTP/1.1\r\nhost: localhost:1234\r\n${lines}content-length: ${body.length}\r\n\r\n`;
    return exchange(service.url, [Buffer.from(head + body)]);
  };

  test.each([
    ['an empty one', 'content-type:\r\n', 'Content-Type is empty'],
    ['one without a type', 'content-type: ;charset=utf-8\r\n', 'Content-Type is empty'],
    ['no media type', 'content-type: json\r\n', 'Content-Type is json'],
    ['a doubled one', 'content-type: application/json, application/json\r\n', 'is application/json, application/json'],
    ['two lines', JSON_LINE + JSON_LINE, 'is application/json, application/json'],
    ['a long one', `content-type: ${'x'.repeat(8000)}\r\n`, `Content-Type is ${'x'.repeat(256)},`],
  ])('%s is refused with the list and an example', async (_, lines, says) => {
    for (const path of [
      '/v1/cross-entropy',
      '/v1/diagnose',
      '/v1/cross-entropy/partials',
      '/v1/cross-entropy/combine',
    ]) {
      const { status, body } = await post(path, lines, JSON.stringify(good));
      expect(status).toBe(415);
      for (const part of [
        says,
        'application/vnd.msgpack',
        'application/json',
        'http://localhost:1234/v1/cross-entropy',
      ])
        expect(body.toString()).toContain(part);
    }
  });

  test('a Content-Type that is no media type keeps no answer from a path that does not read it', async () => {
    const inputs = [
      { name: 'logits', shape: [1, 2], datatype: 'FP32', data: [1, 2] },
      { name: 'label', shape: [1], datatype: 'INT64', data: [0] },
    ];
    for (const lines of ['content-type:\r\n', 'content-type: application/json, application/json\r\n']) {
      expect((await post('/v2/models/cross_entropy/infer', lines, JSON.stringify({ inputs }))).status).toBe(200);
      expect((await post('/nowhere', lines, '{}')).status).toBe(404);
      expect((await post('/v1/info', lines, '{}')).status).toBe(405);
    }
  });
});

test('a body over the limit is refused by its Content-Length, or when it passes it', async () => {
  const announced = await service.post(new Uint8Array(2 ** 22 + 1), { type: MSGPACK });
  expect([announced.status, announced.body.code]).toEqual([413, 'body_too_large']);
  expect(announced.body.detail).toContain('4194304');
  const chunk = new Uint8Array(2 ** 16);
  const label = encodeRequest('label', MSGPACK) as Uint8Array;
  const chunked = await fetch(`${service.url}/v1/cross-entropy`, {
    method: 'POST',
    headers: { 'content-type': MSGPACK },
    body: (async function* () {
      yield Buffer.concat([Buffer.of(0x82), label, Buffer.of(0xc6, 0, 0x7f, 0xff, 0xff)]);
      for (let k = 0; k < 70; k++) yield chunk;
    })() as unknown as NonNullable<RequestInit['body']>,
    duplex: 'half',
  });
  expect(chunked.status).toBe(413);
});

test.each(['/nothing', '/v1', '/v1/cross-entropi', '/v1/cross-entropy/x'])('POST %s is not found', async (path) => {
  const response = await fetch(service.url + path, { method: 'POST', body: '{}' });
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ code: 'not_found', status: 404 });
});

test('a method that a path does not have is refused with those it has', async () => {
  const response = await service.get('/v1/cross-entropy');
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
  expect(await response.json()).toMatchObject({
    code: 'method_not_allowed',
    detail: '/v1/cross-entropy does not have the method GET, expected POST',
  });
});

describe('refusals are short, whatever was sent', () => {
  test.each([
    [
      '100,000 unknown options',
      { ...good, options: Object.fromEntries(Array.from({ length: 100_000 }, (_, k) => [`o${k}`, k])) },
      'and 99992 more',
    ],
    ['a field name of 500,000 characters', { ...good, ['x'.repeat(500_000)]: 1 }, 'xxx…'],
    [
      'a shape of 100,000 axes',
      { ...good, logits: { dtype: 'float32', shape: Array.from({ length: 100_000 }, () => 1), data: '' } },
      '[1,1,1,1,1,1,…]',
    ],
    [
      'an option nested in itself 60 times',
      `{"logits": [[1]], "label": [0], "options": {"reduction": ${'['.repeat(60)}${']'.repeat(60)}}}`,
      '[[[…]]]',
    ],
  ])('%s', async (_name, request, says) => {
    const response = await fetch(`${roomy.url}/v1/cross-entropy`, {
      method: 'POST',
      headers: { 'content-type': JSON_TYPE },
      body: typeof request === 'string' ? request : JSON.stringify(request),
    });
    const text = await response.text();
    expect(response.status).toBe(422);
    expect(text).toContain(says);
    expect(text.length).toBeLessThan(6000);
  });
});

test('JSON with megabytes of text and a bare NaN is read', async () => {
  const N = 3_000_000;
  const data = Buffer.alloc(4 * N).toString('base64');
  const body = `{"logits": {"dtype": "float32", "shape": [1, ${N}], "data": "${data}"}, "label": [0], "input_mask": [NaN]}`;
  const response = await fetch(`${roomy.url}/v1/cross-entropy`, {
    method: 'POST',
    headers: { 'content-type': JSON_TYPE },
    body,
  });
  expect(await response.json()).toMatchObject({ code: 'invalid_mask' });
});

test('a bool byte other than 0 and 1, and an integer mask beyond 2^53, are refused', async () => {
  const bool = { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 255) };
  const answer = await service.post({ label: [0, 0], input_mask: bool, logits }, { type: MSGPACK });
  expect(answer.body.detail).toBe('byte 1 of input_mask.data is 255, expected 0 or 1 for bool');
  const int64 = { dtype: 'int64', shape: [2], data: new Uint8Array(BigInt64Array.of(1n, 2n ** 53n + 1n).buffer) };
  const beyond = await service.post({ label: [0, 0], input_mask: int64, logits }, { type: MSGPACK });
  expect([beyond.status, beyond.body.code]).toEqual([422, 'invalid_mask']);
  expect(beyond.body.detail).toContain('input_mask[1] is 9007199254740993');
});

test.each(['/%E0%A4%A', '/v1/%'])('GET %s is a problem', async (path) => {
  const response = await service.get(path);
  expect([response.status, response.headers.get('content-type')]).toEqual([400, 'application/problem+json']);
  expect(await response.json()).toMatchObject({ code: 'bad_request' });
});
