import { deflateSync, gunzipSync, gzipSync, inflateSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { CROSS_ENTROPY_MODEL } from '../../src/inference/cross-entropy.ts';
import { DTYPES, ELEMENT_TYPES, KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import type { DType } from '../../src/tensor/dtype.ts';
import type { Shape } from '../../src/tensor/shape.ts';
import { encodeElements } from '../../src/wire/tensors/elements.ts';
import { inferenceBody, inputEntry, readInferenceAnswer } from '../open-inference.ts';
import type { InferenceAnswer, InferenceInput } from '../open-inference.ts';
import { exchange } from '../raw-http.ts';
import type { RawAnswer } from '../raw-http.ts';
import { lse, nll } from '../reference.ts';
import { Service } from '../service.ts';

const service = Service.shared();
/** Service whose memory limits are too small for inputs that must be buffered. */
const tight = Service.start({ maxBytesInFlight: 2 ** 20, maxJsonBytes: 4096, workers: 2 });

const INFER = '/v2/models/cross_entropy/infer';
const LENGTH = 'Inference-Header-Content-Length';

const ROWS = [
  [1, 2, 3],
  [0, 1, 0],
];
const LABELS = [2, 0];
const LOSS = (nll(ROWS[0]!, 2) + nll(ROWS[1]!, 0)) / 2;

function input(name: string, dtype: DType, shape: Shape, values: unknown[], binary = true): InferenceInput {
  return { name, tensor: { dtype, shape, data: encodeElements(name, dtype, values) }, binary };
}

const label = (binary = true, dtype: DType = 'int64'): InferenceInput => input('label', dtype, [2], LABELS, binary);
const logits = (binary = true, dtype: DType = 'float32'): InferenceInput =>
  input('logits', dtype, [2, 3], ROWS.flat(), binary);

type Headers = Record<string, string | number>;

/** Bytes of a request without Content-Type, like the requests of tritonclient. */
function request(body: Uint8Array, headers: Headers = {}, line = `POST ${INFER}`): Buffer {
  const lines = Object.entries({ Host: 'localhost', 'Content-Length': body.byteLength, ...headers });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.concat([Buffer.from(`${line} HTTP/1.1\r\n${head}\r\n`), body]);
}

const send = (body: Uint8Array, headers: Headers = {}, line?: string): Promise<RawAnswer> =>
  exchange(service.url, [request(body, headers, line)]);

const sendJson = (value: unknown, headers?: Headers): Promise<RawAnswer> =>
  send(Buffer.from(JSON.stringify(value)), headers);

function read({ status, headers, body }: RawAnswer): InferenceAnswer {
  expect(status, body.toString()).toBe(200);
  const jsonBytes = headers['inference-header-content-length'];
  return readInferenceAnswer(body, jsonBytes === undefined ? undefined : Number(jsonBytes));
}

async function infer(inputs: InferenceInput[], others: Record<string, unknown> = {}): Promise<InferenceAnswer> {
  const { jsonBytes, body } = inferenceBody(inputs, others);
  const isBinary = inputs.some(({ binary }) => binary);
  return read(await send(body, isBinary ? { [LENGTH]: jsonBytes } : {}));
}

const entries = (binary = false): Record<string, unknown>[] => [inputEntry(label(binary)), inputEntry(logits(binary))];

describe('the server and its model are inspected', () => {
  const METADATA = {
    name: 'cross_entropy',
    versions: ['1'],
    platform: 'lossmeter',
    inputs: [
      { name: 'label', datatype: 'INT64', shape: [-1] },
      { name: 'logits', datatype: 'FP32', shape: [-1, -1] },
      { name: 'input_mask', datatype: 'FP32', shape: [-1] },
      { name: 'weight', datatype: 'FP32', shape: [-1] },
      { name: 'segments', datatype: 'INT64', shape: [-1] },
      { name: 'bytes', datatype: 'FP64', shape: [-1] },
      { name: 'words', datatype: 'FP64', shape: [-1] },
    ],
    outputs: expect.arrayContaining([
      { name: 'loss', datatype: 'FP64', shape: [1] },
      { name: 'nan_count', datatype: 'INT64', shape: [1] },
      { name: 'gradient', datatype: 'FP32', shape: [-1, -1] },
    ]) as unknown,
  };
  const CONFIG = expect.objectContaining({
    name: 'cross_entropy',
    max_batch_size: 0,
    input: expect.arrayContaining([{ name: 'weight', data_type: 'TYPE_FP32', dims: [-1], optional: true }]) as unknown,
    output: expect.arrayContaining([{ name: 'loss', data_type: 'TYPE_FP64', dims: [1] }]) as unknown,
    parameters: expect.objectContaining({ 'logits.datatypes': { string_value: 'FP16,BF16,FP32,FP64' } }) as unknown,
  }) as unknown;
  const STATISTICS = { model_stats: [expect.objectContaining({ name: 'cross_entropy', version: '1' })] };

  test.each([
    ['GET /v2', expect.objectContaining({ name: 'lossmeter', extensions: expect.any(Array) as unknown })],
    ['GET /v2/', expect.objectContaining({ name: 'lossmeter' })],
    ['GET /v2/health/live', { live: true, ready: true }],
    ['GET /v2/health/ready', { live: true, ready: true }],
    ['GET /v2/models', { models: ['cross_entropy', 'kl_divergence'] }],
    ['GET /v2/models/cross_entropy', METADATA],
    ['GET /v2/models/cross_entropy/versions/1', METADATA],
    ['GET /v2/models/cross_entropy/ready', { name: 'cross_entropy', ready: true }],
    ['GET /v2/models/cross_entropy/versions/1/ready', { name: 'cross_entropy', ready: true }],
    ['GET /v2/models/cross_entropy/config', CONFIG],
    ['GET /v2/models/cross_entropy/versions/1/config', CONFIG],
    [
      'GET /v2/models/stats',
      { model_stats: [...STATISTICS.model_stats, expect.objectContaining({ name: 'kl_divergence' })] },
    ],
    ['GET /v2/models/cross_entropy/stats', STATISTICS],
    ['GET /v2/models/cross_entropy/versions/1/stats', STATISTICS],
    [
      'POST /v2/repository/index',
      ['cross_entropy', 'kl_divergence'].map((name) => ({ name, version: '1', state: 'READY', reason: '' })),
    ],
  ])('%s', async (line, expected) => {
    // Never compressed: tritonclient's asyncio client sends Accept-Encoding, but does not decode these answers.
    const { status, headers, body } = await send(new Uint8Array(), { 'Accept-Encoding': 'gzip, deflate' }, line);
    expect(status).toBe(200);
    expect(headers['content-type']).toMatch(/^application\/json/);
    expect(JSON.parse(body.toString())).toEqual(expected);
  });

  test('the outputs are those of the option and the scalars', async () => {
    const { body } = await send(new Uint8Array(), {}, 'GET /v2/models/cross_entropy');
    const { outputs } = JSON.parse(body.toString()) as { outputs: { name: string }[] };
    const { always, optional } = CROSS_ENTROPY_MODEL.names;
    expect(outputs.map(({ name }) => name)).toEqual([...always, ...optional]);
  });

  interface Statistics {
    last_inference: number;
    inference_count: number;
    execution_count: number;
    inference_stats: Record<string, { count: number; ns: number }>;
  }

  async function readStatistics(): Promise<Statistics> {
    const { body } = await send(new Uint8Array(), {}, 'GET /v2/models/stats');
    return (JSON.parse(body.toString()) as { model_stats: Statistics[] }).model_stats[0]!;
  }

  test('statistics are counts and times of the calls', async () => {
    const before = await readStatistics();
    const started = Date.now();
    await infer([label(), logits()]);
    await infer([label(), logits()]);
    expect((await sendJson({ inputs: [] })).status).toBe(422);
    const after = await readStatistics();
    const wallNs = (Date.now() - started + 1) * 1e6;
    expect(after.inference_count - before.inference_count).toBe(2);
    expect(after.execution_count - before.execution_count).toBe(2);
    expect(after.last_inference).toBeGreaterThanOrEqual(started);
    for (const [name, count] of Object.entries({ success: 2, fail: 1, compute_input: 2, compute_infer: 2 })) {
      const [was, now] = [before.inference_stats[name]!, after.inference_stats[name]!];
      expect(now.count - was.count, name).toBe(count);
      expect(now.ns, name).toBeGreaterThan(was.ns);
      expect(now.ns - was.ns, name).toBeLessThan(wallNs);
    }
    expect(after.inference_stats['queue']).toEqual({ count: 0, ns: 0 });
  });
});

describe('a batch is evaluated', () => {
  test.each(KERNEL_DTYPES.flatMap((dtype) => [true, false].map((binary) => [dtype, binary] as const)))(
    'logits of %s, binary %s',
    async (dtype, binary) => {
      const { values } = await infer([label(binary), logits(binary, dtype)]);
      expect(values['loss']![0]).toBeCloseTo(LOSS, 6);
    },
  );

  const named = DTYPES.filter((dtype) => ELEMENT_TYPES[dtype].openInference !== undefined);

  test.each(named.flatMap((dtype) => [true, false].map((binary) => [dtype, binary] as const)))(
    'a mask of %s, binary %s',
    async (dtype, binary) => {
      const mask = input('input_mask', dtype, [2], [1, 0], binary);
      const { values } = await infer([label(binary), mask, logits(binary)]);
      expect(values['loss']![0]).toBeCloseTo(nll(ROWS[0]!, 2), 6);
    },
  );

  test('without a list, the outputs are the scalars and what the parameters ask for', async () => {
    const { outputs } = await infer([label(), logits()]);
    expect(outputs).toEqual([
      { name: 'loss', datatype: 'FP64', shape: [1], data: [expect.closeTo(LOSS, 6)] },
      { name: 'numerator', datatype: 'FP64', shape: [1], data: [expect.closeTo(2 * LOSS, 6)] },
      { name: 'denominator', datatype: 'FP64', shape: [1], data: [2] },
      { name: 'nan_count', datatype: 'INT64', shape: [1], data: [0] },
      { name: 'inf_count', datatype: 'INT64', shape: [1], data: [0] },
    ]);
    const asked = await infer([label(), logits()], { parameters: { outputs: '["lse", "predictions"]' } });
    expect(asked.outputs.slice(5)).toEqual([
      { name: 'lse', datatype: 'FP64', shape: [2], data: ROWS.map((row) => expect.closeTo(lse(row), 6) as number) },
      { name: 'predictions', datatype: 'INT32', shape: [2], data: [2, 1] },
    ]);
  });

  test('a list of outputs is what comes, and asks for the tensors among them', async () => {
    const { outputs, values } = await infer([label(), logits()], {
      outputs: [{ name: 'gradient', parameters: { binary_data: true } }, { name: 'loss' }, { name: 'entropy' }],
    });
    expect(outputs.map(({ name }) => name)).toEqual(['gradient', 'loss', 'entropy']);
    expect(outputs[0]).toEqual({
      ...{ name: 'gradient', datatype: 'FP32', shape: [2, 3] },
      parameters: { binary_data_size: 24 },
    });
    expect(values['gradient']!.reduce((sum, x) => sum + x, 0)).toBeCloseTo(0, 6);
    expect(values['entropy']).toHaveLength(2);
  });

  test('what the parameters ask for comes beside the list', async () => {
    const { outputs } = await infer([label(), logits()], {
      outputs: [{ name: 'lse' }],
      parameters: { outputs: '["lse", "entropy"]' },
    });
    expect(outputs.map(({ name }) => name)).toEqual(['lse', 'entropy']);
  });

  test.each([
    [{ reduction: 'none' }, ['numerator', 'denominator', 'nan_count', 'inf_count', 'per_token_loss']],
    [{ calculate_per_token_loss: true }, ['numerator', 'denominator', 'nan_count', 'inf_count']],
  ])('with %j there is no loss', async (parameters, names) => {
    const { outputs } = await infer([label(), logits()], { parameters });
    expect(outputs.map(({ name }) => name)).toEqual(names);
  });

  test('binary outputs stand behind the JSON in the order of the outputs', async () => {
    const { jsonBytes, body } = inferenceBody([label(), logits()], {
      outputs: [{ name: 'lse' }, { name: 'loss', parameters: { binary_data: false } }, { name: 'predictions' }],
      parameters: { binary_data_output: true },
    });
    const answer = await send(body, { [LENGTH]: jsonBytes });
    expect(answer.headers['content-type']).toBe('application/octet-stream');
    const { outputs, values } = read(answer);
    expect(outputs.map(({ data }) => data !== undefined)).toEqual([false, true, false]);
    expect(values['predictions']).toEqual([2, 1]);
    expect(values['loss']![0]).toBeCloseTo(LOSS, 6);
  });

  test('a large output in JSON beside a binary one is measured first', async () => {
    const rows = 40_000;
    const many = (length: number, value: number) => Array.from({ length }, () => value);
    const { jsonBytes, body } = inferenceBody(
      [input('label', 'uint8', [rows], many(rows, 1)), input('logits', 'float16', [rows, 2], many(2 * rows, 0.5))],
      { outputs: [{ name: 'gradient' }, { name: 'per_token_loss', parameters: { binary_data: true } }] },
    );
    const { values } = read(await send(body, { [LENGTH]: jsonBytes }));
    expect(values['gradient']).toHaveLength(2 * rows);
    expect(values['per_token_loss']).toHaveLength(rows);
    expect(values['per_token_loss']!.at(-1)).toBeCloseTo(Math.log(2), 6);
  });

  test('numbers that JSON has not are strings, in requests as in answers', async () => {
    const shaped = { ...inputEntry(logits(false)), data: ['NaN', 2, 3, '-Infinity', 1, 'Infinity'] };
    const answer = read(await sendJson({ inputs: [inputEntry(label(false)), shaped] }));
    expect(answer.outputs[0]).toMatchObject({ name: 'loss', data: ['NaN'] });
    expect(answer.values).toMatchObject({ nan_count: [1], inf_count: [2] });
    expect(answer.parameters['verdict']).toBe('non_finite');
    expect(JSON.parse(answer.parameters['diagnostics'] as string)).toMatchObject({ logits: { nan: 1, pos_inf: 1 } });
  });

  test('bare tokens, as tritonclient writes them, are read', async () => {
    const text = JSON.stringify({ inputs: entries() }).replace('[1,2,3,0,1,0]', '[NaN,2,3,-Infinity,1,0]');
    expect(read(await send(Buffer.from(text))).values).toMatchObject({ nan_count: [1], inf_count: [1] });
  });

  test('nested data is read', async () => {
    const answer = read(await sendJson({ inputs: [entries()[0], { ...entries()[1], data: ROWS }] }));
    expect(answer.values['loss']![0]).toBeCloseTo(LOSS, 6);
  });

  test('the answer has the model, the given id and what else was found', async () => {
    const { model_name, model_version, id, parameters } = await infer([label(), logits()], {
      id: 'step "7"',
      parameters: { metrics: '["accuracy"]' },
    });
    expect([model_name, model_version, id]).toEqual(['cross_entropy', '1', 'step "7"']);
    expect(parameters).toMatchObject({ verdict: 'finite', accuracy: 0.5, z_loss: 0, kernel: 'f32-relaxed-simd' });
    expect(JSON.parse(parameters['rows'] as string)).toEqual({ total: 2, counted: 2, ignored: 0, masked: 0 });
    expect(await infer([label(), logits()])).not.toHaveProperty('id');
  });

  test('options travel as parameters, lists and maps as JSON text', async () => {
    const parameters = {
      reduction: 'sum',
      ignore_index: '[2, -100]',
      parallel_config: '{"model_parallel": 3}',
      label_smoothing: null,
    };
    const { values } = await infer([label(), logits()], { parameters });
    expect(values['loss']![0]).toBeCloseTo(nll(ROWS[1]!, 0), 6);
  });

  test('parameters of the protocol and of Triton mean nothing here', async () => {
    const parameters = {
      ...{ sequence_id: 7, sequence_start: true, sequence_end: false, priority: 2, timeout: 1000 },
      ...{ headers: 'x', triton_enable_empty_final_response: true, binary_data_output: false },
      content_type: 'np',
    };
    const { values } = await infer([label(), logits()], { parameters, model_name: 'cross_entropy' });
    expect(values['loss']![0]).toBeCloseTo(LOSS, 6);
  });

  test('the version may be in the path', async () => {
    const { jsonBytes, body } = inferenceBody([label(), logits()]);
    const line = 'POST /v2/models/cross_entropy/versions/1/infer';
    expect(read(await send(body, { [LENGTH]: jsonBytes }, line)).values['loss']![0]).toBeCloseTo(LOSS, 6);
  });

  test('an empty tensor that KServe’s client sends as data null is read', async () => {
    const empty = { shape: [0], datatype: 'INT64', parameters: { binary_data_size: 0 }, data: null };
    const inputs = [
      { ...empty, name: 'label' },
      { ...empty, name: 'logits', shape: [0, 3], datatype: 'FP32' },
    ];
    expect(read(await sendJson({ inputs })).values).toMatchObject({ numerator: [0], denominator: [0] });
  });

  test('JSON that is parsed on a thread of its own says the same', async () => {
    const rows = 40_000;
    const { body } = inferenceBody([
      input(
        'label',
        'int64',
        [rows],
        Array.from({ length: rows }, () => 0),
        false,
      ),
      input(
        'logits',
        'float32',
        [rows, 4],
        Array.from({ length: 4 * rows }, (_, k) => k % 4),
        false,
      ),
    ]);
    expect(body.byteLength).toBeGreaterThan(256 * 1024);
    expect(read(await send(body)).values['loss']![0]).toBeCloseTo(nll([0, 1, 2, 3], 0), 6);
  });
});

describe('bodies arrive as they like', () => {
  const ORDERS: [string, InferenceInput[]][] = [
    ['logits last', [label(), input('input_mask', 'bool', [2], [1, 1]), logits()]],
    ['logits first', [logits(), label()]],
    ['logits in JSON', [label(), logits(false)]],
    ['label in JSON', [logits(), label(false)]],
  ];

  test.each(ORDERS.flatMap(([name, inputs]) => [1, 7, 1000].map((bytes) => [name, bytes, inputs] as const)))(
    '%s, in pieces of %i bytes',
    async (_name, pieceBytes, inputs) => {
      const { jsonBytes, body } = inferenceBody(inputs, { parameters: { binary_data_output: true } });
      const bytes = request(body, { [LENGTH]: jsonBytes });
      const pieces = Array.from({ length: Math.ceil(bytes.byteLength / pieceBytes) }, (_, k) =>
        bytes.subarray(k * pieceBytes, (k + 1) * pieceBytes),
      );
      expect(read(await exchange(service.url, pieces)).values['loss']![0]).toBeCloseTo(LOSS, 6);
    },
  );

  test('chunked, without a length', async () => {
    const { jsonBytes, body } = inferenceBody([label(), logits()]);
    const head = `POST ${INFER} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n${LENGTH}: ${jsonBytes}\r\n\r\n`;
    const chunk = Buffer.concat([
      Buffer.from(`${head}${body.byteLength.toString(16)}\r\n`),
      body,
      Buffer.from('\r\n0\r\n\r\n'),
    ]);
    expect(read(await exchange(service.url, [chunk])).values['loss']![0]).toBeCloseTo(LOSS, 6);
  });

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['zstd', zstdCompressSync],
  ] as const)(
    'with the content encoding %s, the length being that of the JSON without it',
    async (encoding, encode) => {
      const { jsonBytes, body } = inferenceBody([label(), logits()]);
      const answer = await send(encode(body), { [LENGTH]: jsonBytes, 'Content-Encoding': encoding });
      expect(read(answer).values['loss']![0]).toBeCloseTo(LOSS, 6);
    },
  );

  test('logits that come last stream through little memory; others have to wait', async () => {
    const rows = 4096;
    const wide = input('logits', 'float32', [rows, 1024], []);
    const big = { ...wide, tensor: { ...wide.tensor, data: new Uint8Array(rows * 1024 * 4) } };
    const narrow = input(
      'label',
      'uint8',
      [rows],
      Array.from({ length: rows }, () => 3),
    );
    const post = (inputs: InferenceInput[]) => {
      const { jsonBytes, body } = inferenceBody(inputs);
      return exchange(tight.url, [request(body, { [LENGTH]: jsonBytes })]);
    };
    expect(read(await post([narrow, big])).values['loss']![0]).toBeCloseTo(Math.log(1024), 6);
    const refused = await post([big, narrow]);
    expect(refused.status).toBe(413);
    expect(errorOf(refused)).toContain('logits must be buffered in memory');
  });
});

describe('answers are compressed when the client asks', () => {
  const { jsonBytes, body } = inferenceBody([label(), logits()], { parameters: { binary_data_output: true } });

  test.each([
    ['gzip', 'gzip'],
    ['deflate', 'deflate'],
    ['gzip, deflate, br', 'gzip'],
    ['deflate;q=1, gzip;q=0.5', 'deflate'],
    ['*', 'gzip'],
    ['br', undefined],
    ['identity', undefined],
    ['gzip;q=0', undefined],
    [undefined, undefined],
  ])('Accept-Encoding %s: %s', async (accepted, encoding) => {
    const asked = accepted === undefined ? {} : { 'Accept-Encoding': accepted };
    const answer = await send(body, { [LENGTH]: jsonBytes, ...asked });
    expect(answer.headers['content-encoding']).toBe(encoding);
    expect(answer.headers['vary']).toBe('accept-encoding');
    const decode = { gzip: gunzipSync, deflate: inflateSync }[encoding ?? ''] ?? ((bytes: Buffer) => bytes);
    expect(read({ ...answer, body: decode(answer.body) }).values['loss']![0]).toBeCloseTo(LOSS, 6);
  });

  test('an error is not', async () => {
    const answer = await sendJson({ inputs: [] }, { 'Accept-Encoding': 'gzip' });
    expect(answer.headers).not.toHaveProperty('content-encoding');
    expect(errorOf(answer)).toContain('missing');
  });
});

/** Checks the form of an error answer. @returns the error message */
function errorOf({ status, headers, body }: RawAnswer): string {
  expect(status).toBeGreaterThanOrEqual(400);
  // KServe's client shows the error only with this media type. tritonclient needs the `error` key.
  expect(headers['content-type']).toBe('application/json');
  expect(headers['content-length']).toBe(String(body.byteLength));
  const { error, code, instance, ...others } = JSON.parse(body.toString()) as Record<string, string>;
  expect(others).toEqual({});
  expect(code).toMatch(/^[a-z_]+$/);
  expect(instance).toMatch(/^urn:uuid:/);
  return error!;
}

describe('refusals say what is wrong', () => {
  const [labelEntry, logitsEntry] = entries();
  const withLogits = (changes: Record<string, unknown>) => ({ inputs: [labelEntry, { ...logitsEntry, ...changes }] });
  const withOthers = (others: Record<string, unknown>) => ({ inputs: entries(), ...others });

  const JSON_REFUSALS: [what: string, request: unknown, status: number, says: string[]][] = [
    ['no object', [1], 400, ['[1]', 'an object']],
    ['no inputs', {}, 422, ['inputs is missing', 'label', 'logits']],
    ['inputs that are no list', { inputs: {} }, 400, ['inputs', 'a list']],
    ['an input that is no object', { inputs: ['label'] }, 400, ['inputs[0]', '"label"']],
    ['logits missing', { inputs: [labelEntry] }, 422, ['logits is missing']],
    ['label missing', { inputs: [logitsEntry] }, 422, ['label is missing']],
    ['an input twice', { inputs: [labelEntry, logitsEntry, labelEntry] }, 400, ['input label comes twice']],
    ['too many inputs', { inputs: Array.from({ length: 65 }, () => labelEntry) }, 400, ['65', '64']],
    ['an unknown input', withLogits({ name: 'logts' }), 422, ['"logts"', 'expected logits']],
    ['a synonym of an input', { inputs: [{ ...labelEntry, name: 'targets' }] }, 422, ['"targets"', 'expected label']],
    ['an unnamed input', withLogits({ name: undefined }), 422, ['inputs[1]', 'label, logits, input_mask, weight']],
    ['an unknown datatype', withLogits({ datatype: 'FP8' }), 422, ['logits', '"FP8"', 'one of FP16']],
    ['a datatype in numpy’s words', withLogits({ datatype: 'float32' }), 422, ['"float32"', 'expected FP32']],
    ['a datatype of strings', withLogits({ datatype: 'BYTES' }), 422, ['"BYTES"', 'FP16, BF16, FP32, FP64']],
    ['integer logits', withLogits({ datatype: 'INT32' }), 422, ['"INT32"', 'FP16, BF16, FP32, FP64']],
    ['no datatype', withLogits({ datatype: undefined }), 422, ['datatype of logits']],
    ['a shape with a negative size', withLogits({ shape: [-1, 3] }), 422, ['logits.shape', '[-1,3]']],
    ['no shape', withLogits({ shape: undefined }), 422, ['logits.shape']],
    ['a shape that does not multiply', withLogits({ shape: [2, 4] }), 422, ['6 entries', '(2, 4)', '8']],
    ['a shape that cannot be counted', withLogits({ shape: [2 ** 40, 2 ** 40] }), 422, ['logits.data']],
    ['no data', withLogits({ data: undefined }), 422, ['logits has no data', 'binary_data_size']],
    ['data that is text', withLogits({ data: 'AAAA' }), 422, ['logits has no data']],
    ['ragged data', withLogits({ data: [[1, 2, 3], [1]] }), 422, ['logits', 'ragged']],
    ['an unknown key of an input', withLogits({ dtype: 'FP32' }), 422, ['"dtype"', 'did you mean datatype?']],
    ['an unknown key of the request', withOthers({ output: [] }), 422, ['"output"', 'did you mean outputs?']],
    ['a size without a length', withLogits({ data: undefined, parameters: { binary_data_size: 24 } }), 400, [LENGTH]],
    [
      'a size of the wrong type',
      withLogits({ parameters: { binary_data_size: '24' } }),
      422,
      ['binary_data_size', '"24"'],
    ],
    ['a size and data', withLogits({ parameters: { binary_data_size: 24 } }), 422, ['both data and binary_data_size']],
    ['a misspelt size', withLogits({ parameters: { binary_datasize: 24 } }), 422, ['did you mean binary_data_size?']],
    ['parameters that are no map', withLogits({ parameters: 3 }), 400, ['parameters of logits']],
    ['shared memory', withLogits({ parameters: { shared_memory_region: 'r' } }), 501, ['shared memory']],
    ['an unknown output', withOthers({ outputs: [{ name: 'los' }] }), 422, ['"los"', 'expected loss']],
    ['an output twice', withOthers({ outputs: [{ name: 'lse' }, { name: 'lse' }] }), 400, ['output lse comes twice']],
    [
      'an output of classes',
      withOthers({ outputs: [{ name: 'lse', parameters: { classification: 3 } }] }),
      501,
      ['classification'],
    ],
    [
      'binary_data as text',
      withOthers({ outputs: [{ name: 'lse', parameters: { binary_data: 'yes' } }] }),
      400,
      ['binary_data of lse'],
    ],
    [
      'binary_data_output as text',
      withOthers({ parameters: { binary_data_output: 'yes' } }),
      400,
      ['binary_data_output', '"yes"'],
    ],
    [
      'a loss that is not formed',
      withOthers({ outputs: [{ name: 'loss' }], parameters: { reduction: 'none' } }),
      422,
      ['give no loss'],
    ],
    ['an unknown option', withOthers({ parameters: { label_smothing: 0.1 } }), 422, ['did you mean label_smoothing?']],
    [
      'an option out of bounds',
      withOthers({ parameters: { label_smoothing: 2 } }),
      422,
      ['label_smoothing', '2', '[0, 1]'],
    ],
    [
      'an option that is no JSON',
      withOthers({ parameters: { outputs: '[lse]' } }),
      422,
      ['parameters.outputs', 'JSON text'],
    ],
    [
      'an option that is no list',
      withOthers({ parameters: { outputs: 'lse' }, outputs: [{ name: 'entropy' }] }),
      422,
      ['options.outputs'],
    ],
    ['an id that is no text', withOthers({ id: 7 }), 400, ['id is 7']],
    ['a label out of range', { inputs: [{ ...labelEntry, data: [2, 3] }, logitsEntry] }, 422, ['3', '[0, 3)']],
    [
      'shapes that do not fit',
      { inputs: [{ ...labelEntry, shape: [1], data: [2] }, logitsEntry] },
      422,
      ['(1,)', '(2, 3)'],
    ],
  ];

  test.each(JSON_REFUSALS)('%s', async (_what, body, status, says) => {
    const answer = await sendJson(body);
    expect(answer.status, answer.body.toString()).toBe(status);
    const error = errorOf(answer);
    for (const part of says) expect(error).toContain(part);
  });

  const { jsonBytes, body: good } = inferenceBody([label(), logits()]);
  const sized = (size: number) => {
    const json = Buffer.from(
      JSON.stringify({
        inputs: [inputEntry(label()), { ...inputEntry(logits()), parameters: { binary_data_size: size } }],
      }),
    );
    return { length: json.byteLength, body: Buffer.concat([json, good.subarray(jsonBytes)]) };
  };

  const BINARY_REFUSALS: [what: string, body: Uint8Array, headers: Headers, status: number, says: string[]][] = [
    ['nothing', new Uint8Array(), {}, 400, ['not JSON']],
    ['binary data without a length', good, {}, 400, ['not JSON', LENGTH]],
    [
      'a length beyond the body',
      good,
      { [LENGTH]: good.byteLength + 1 },
      400,
      [`expected ${good.byteLength + 1} bytes`],
    ],
    ['a length of more than the JSON', good, { [LENGTH]: jsonBytes + 1 }, 400, ['not JSON']],
    ['a length of less than the JSON', good, { [LENGTH]: jsonBytes - 1 }, 400, ['not JSON']],
    ['a length of 0', good, { [LENGTH]: 0 }, 400, [LENGTH, '"0"']],
    ['a negative length', good, { [LENGTH]: -1 }, 400, [LENGTH, '"-1"']],
    ['a length that is no number', good, { [LENGTH]: '1e2' }, 400, [LENGTH, '"1e2"']],
    ['a length that cannot be counted', good, { [LENGTH]: '9'.repeat(30) }, 400, [LENGTH]],
    ['too little binary data', good.subarray(0, -1), { [LENGTH]: jsonBytes }, 400, ['expected 40 bytes, received 39']],
    [
      'too much binary data',
      Buffer.concat([good, Buffer.alloc(3)]),
      { [LENGTH]: jsonBytes },
      400,
      ['43 bytes follow', '40'],
    ],
    [
      'a size that is not that of the shape',
      sized(20).body,
      { [LENGTH]: sized(20).length },
      422,
      ['20 bytes', '(2, 3)', '24 bytes'],
    ],
    ['a size that is not whole', sized(24.5).body, { [LENGTH]: sized(24.5).length }, 422, ['24.5']],
    ['a negative size', sized(-24).body, { [LENGTH]: sized(-24).length }, 422, ['-24']],
    ['a broken content encoding', Buffer.from('no gzip'), { 'Content-Encoding': 'gzip' }, 400, ['gzip']],
    ['an unknown content encoding', good, { 'Content-Encoding': 'br', [LENGTH]: jsonBytes }, 415, ['br']],
  ];

  test.each(BINARY_REFUSALS)('%s', async (_what, body, headers, status, says) => {
    const answer = await send(body, headers);
    expect(answer.status, answer.body.toString()).toBe(status);
    const error = errorOf(answer);
    for (const part of says) expect(error).toContain(part);
  });

  test.each(['short', 'long'])('binary data that is too %s, without a length of the body', async (kind) => {
    const body = kind === 'short' ? good.subarray(0, -1) : Buffer.concat([good, Buffer.alloc(1)]);
    const answer = await send(gzipSync(body), { [LENGTH]: jsonBytes, 'Content-Encoding': 'gzip' });
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toContain(kind === 'short' ? 'expected 24 bytes, received 23' : 'follow the end');
  });

  test.each([
    ['in front of tensors', { [LENGTH]: 5000 }],
    ['alone', {}],
  ])('JSON %s that is longer than the service accepts', async (_where, headers) => {
    const body = Buffer.from(JSON.stringify({ id: 'x'.repeat(5000), inputs: entries() }));
    const answer = await exchange(tight.url, [request(body, headers)]);
    expect(answer.status).toBe(413);
    expect(errorOf(answer)).toContain('4096 bytes');
  });

  test.each([
    ['GET /v2/models/resnet', 404, 'there are cross_entropy'],
    ['GET /v2/models/resnet/versions/1/ready', 404, 'there are cross_entropy'],
    ['GET /v2/models/cross_entropy/versions/2', 404, 'version 1'],
    ['POST /v2/models/resnet/infer', 404, 'there are cross_entropy'],
    ['POST /v2/models/cross_entropy/versions/2/infer', 404, 'version 1'],
    ['GET /v2/models/cross_entropy/weights', 404, 'there is no /v2/models/cross_entropy/weights'],
    ['GET /v2/nothing', 404, 'there is no /v2/nothing'],
    ['GET /v2?x=%zz', 200, ''],
    ['GET /v2/%zz', 400, '%zz'],
    ['GET /v2/models/cross_entropy/infer', 405, 'POST'],
    ['DELETE /v2/models', 405, 'GET'],
    ['GET /v2/repository/index', 405, 'POST'],
    ['POST /v2/repository/models/resnet/load', 501, 'model loading'],
    ['POST /v2/repository/models/cross_entropy/unload', 501, 'model unloading'],
    ['GET /v2/systemsharedmemory/status', 501, 'shared memory'],
    ['GET /v2/systemsharedmemory/region/r/status', 501, 'shared memory'],
    ['POST /v2/systemsharedmemory/region/r/register', 501, 'shared memory'],
    ['POST /v2/systemsharedmemory/unregister', 501, 'shared memory'],
    ['GET /v2/cudasharedmemory/status', 501, 'shared memory'],
    ['POST /v2/cudasharedmemory/region/r/unregister', 501, 'shared memory'],
    ['GET /v2/trace/setting', 501, 'the trace settings extension'],
    ['POST /v2/models/cross_entropy/trace/setting', 501, 'the trace settings extension'],
    ['GET /v2/logging', 501, 'log settings'],
    ['POST /v2/logging', 501, 'log settings'],
  ])('%s: %i', async (line, status, says) => {
    const answer = await send(new Uint8Array(), {}, line);
    expect(answer.status).toBe(status);
    if (status !== 200) expect(errorOf(answer)).toContain(says);
  });

  test.each(['GET /v1/nothing', 'GET /v2x', 'POST /v1/cross-entropy'])('%s stays a problem', async (line) => {
    const { status, headers } = await send(new Uint8Array(), {}, line);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(headers['content-type']).toBe('application/problem+json');
  });
});
