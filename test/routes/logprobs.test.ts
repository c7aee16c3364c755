/** Comparisons of log-probabilities over HTTP. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Unpackr } from 'msgpackr';
import { afterAll, describe, expect, test } from 'vitest';
import type { LogprobComparison } from '../../src/contract/logprobs.ts';
import { MOST_SEQUENCES } from '../../src/contract/limits.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { compare } from '../evaluations/logprobs/compare.ts';
import { shareOf } from '../lists.ts';
import { COMPRESSIONS, WRITERS, compressed } from '../request-bodies.ts';
import type { Compression, Encoded, Writer } from '../request-bodies.ts';
import { encode } from '../rows.ts';
import { JSON_TYPE, MSGPACK, Service } from '../service.ts';
import { safetensorsFile } from '../safetensors-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-logprobs-'));
afterAll(() => rmSync(folder, { recursive: true }));
const service = Service.start({ dataDir: folder });
const frugal = Service.start({ maxBytesInFlight: 2 ** 22 });

const PATH = '/v1/logprobs/compare';
const OLD = [-0.5, -1.25, -2, -0.125, -3, -0.75];
const NEW = [-0.5, -1.5, -2, -0.25, -2.5, -0.875];

const pairsOf = (from: number, to: number) => OLD.slice(from, to).map((old, k) => [old, NEW[from + k]!] as const);

const post = async (request: unknown, type = JSON_TYPE, of = service) => {
  const { status, body } = await of.post(request, { path: PATH, type });
  return {
    status,
    body: body as unknown as LogprobComparison & { code: string; detail: string; errors: { pointer: string }[] },
  };
};

const tensor = (
  values: readonly number[],
  dtype: Parameters<typeof encode>[0] = 'float64',
  shape = [values.length],
): Tensor => ({
  dtype,
  shape,
  data: encode(dtype, values),
});

const integers = (values: readonly number[], shape = [values.length]): Tensor => ({
  dtype: 'int64',
  shape,
  data: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
});

/** Base64 of little-endian float32. */
const flat = (values: readonly number[]): string => Buffer.from(Float32Array.from(values).buffer).toString('base64');

async function send({ headers, body }: Encoded): Promise<{ status: number; answer: unknown }> {
  const response = await fetch(service.url + PATH, {
    method: 'POST',
    headers: { ...headers, accept: JSON_TYPE },
    body: body as NonNullable<RequestInit['body']>,
  });
  return { status: response.status, answer: await response.json() };
}

describe('every format has the same answer', () => {
  const fields = {
    old: tensor(OLD),
    new: tensor(NEW),
    input_mask: integers([1, 1, 1, 1, 1, 1]),
    segments: integers([4, 2]),
  };
  const expected = compare([pairsOf(0, 4), pairsOf(4, 6)]);

  test.each(Object.keys(WRITERS) as Writer[])('%s', async (writer) => {
    expect(await send(WRITERS[writer](fields))).toEqual({ status: 200, answer: expected });
  });

  test.each(Object.keys(COMPRESSIONS) as Compression[])('%s', async (compression) => {
    expect(await send(compressed(WRITERS.msgpack(fields), compression))).toEqual({ status: 200, answer: expected });
  });

  test('plain numbers', async () => {
    expect((await post({ new: NEW, segments: [4, 2], old: OLD })).body).toEqual(expected);
    expect((await post({ old: OLD, new: NEW, segments: [4, 2] }, MSGPACK)).body).toEqual(expected);
  });

  test('a tensor of the data directory', async () => {
    writeFileSync(join(folder, 'rollout.safetensors'), safetensorsFile([['logprobs', tensor(OLD)]], {}));
    const old = { file: 'rollout.safetensors', tensor: 'logprobs' };
    expect((await post({ old, new: NEW, segments: [4, 2] })).body).toEqual(expected);
  });

  test('an answer in MessagePack and in safetensors', async () => {
    const answers = await Promise.all(
      [MSGPACK, 'application/vnd.safetensors'].map(async (accept) => {
        const headers = { 'content-type': JSON_TYPE, accept };
        const body = JSON.stringify({ old: OLD, new: NEW, segments: [4, 2] });
        const response = await fetch(service.url + PATH, { method: 'POST', headers, body });
        expect(response.headers.get('content-type')).toBe(accept);
        return Buffer.from(await response.arrayBuffer());
      }),
    );
    expect(new Unpackr({ useRecords: false, mapsAsObjects: true }).unpack(answers[0]!)).toEqual(expected);
    const { __metadata__: metadata } = JSON.parse(answers[1]!.subarray(8).toString()) as {
      __metadata__: { evaluation: string };
    };
    expect(JSON.parse(metadata.evaluation)).toEqual(expected);
  });
});

describe('flat vectors of inference servers', () => {
  const expected = compare([pairsOf(0, 6)]);
  const bytes = Buffer.from(flat(NEW), 'base64');

  test.each<[string, unknown, string]>([
    ['base64 text alone is float32', flat(NEW), JSON_TYPE],
    ['base64 text alone in MessagePack', flat(NEW), MSGPACK],
    ['bytes alone', bytes, MSGPACK],
    ['base64 with a dtype', { dtype: 'float32', data: flat(NEW) }, JSON_TYPE],
    [
      'float64 with its dtype',
      { dtype: 'float64', data: Buffer.from(Float64Array.from(NEW).buffer).toString('base64') },
      JSON_TYPE,
    ],
    ['bytes with a dtype', { dtype: 'float32', data: bytes }, MSGPACK],
    ['white space in it', flat(NEW).replace(/(.{7})/g, '$1\n'), JSON_TYPE],
  ])('%s', async (_what, trained, type) => {
    expect(await post({ old: OLD, new: trained }, type)).toEqual({ status: 200, body: expected });
  });

  test.each([
    [JSON_TYPE, 200_000],
    [MSGPACK, 200_000],
  ])('long ones as %s', async (type, count) => {
    const old = Array.from({ length: count }, (_, k) => Math.fround(-(k % 97) / 16));
    const { status, body } = await post({ old: flat(old), new: { dtype: 'float32', data: flat(old) } }, type);
    expect([status, body.tokens.counted, body.k3]).toEqual([200, count, 0]);
  });

  test.each<[string, unknown, string]>([
    [
      'a length that is no whole number',
      Buffer.from([1, 2, 3, 4, 5]).toString('base64'),
      'new has 5 bytes, expected a multiple of 4: without a shape they are little-endian float32 of one axis',
    ],
    ['the same with a dtype', { dtype: 'float64', data: flat([1]) }, 'new has 4 bytes, expected a multiple of 8'],
    ['text that is not base64', 'no-base64!', 'new.data is text that is not base64: character 9 is "!"'],
    ['bytes without a dtype', { data: flat(NEW) }, 'new has no dtype'],
  ])('%s is refused', async (_what, trained, says) => {
    const { status, body } = await post({ old: OLD, new: trained });
    expect([status, body.code]).toEqual([422, 'invalid_tensor']);
    expect(body.detail).toContain(says);
  });

  test('an empty one has no tokens', async () => {
    expect((await post({ old: '', new: '' })).body.tokens).toEqual({ total: 0, counted: 0, masked: 0 });
  });

  test('no other tensor comes so', async () => {
    const { status, body } = await post({ old: OLD, new: NEW, input_mask: flat([1, 1, 1, 1, 1, 1]) });
    expect([status, body.code]).toEqual([422, 'invalid_tensor']);
  });
});

describe('sequences', () => {
  test('rows of (B, T) are sequences', async () => {
    const rows = { old: [OLD.slice(0, 3), OLD.slice(3)], new: [NEW.slice(0, 3), NEW.slice(3)] };
    const expected = compare([pairsOf(0, 3), pairsOf(3, 6)]);
    expect((await post(rows)).body).toEqual(expected);
    expect((await post({ old: OLD, new: NEW, segments: [3, 3] })).body).toEqual(expected);
  });

  test('without segments there is one', async () => {
    expect((await post({ old: OLD, new: NEW })).body).toEqual(compare([pairsOf(0, 6)]));
  });

  test('segments of nothing, a number for one sequence, and no tokens', async () => {
    const { body } = await post({ old: OLD, new: NEW, segments: [0, 6, 0] });
    expect(body.sequences.map(({ tokens }) => tokens)).toEqual([0, 6, 0]);
    expect((await post({ old: OLD, new: NEW, segments: 6 })).body.sequences).toHaveLength(1);
    expect((await post({ old: [], new: [], segments: [] })).body.sequences).toEqual([]);
    expect((await post({ old: [], new: [] })).body.k1).toBeNull();
    expect((await post({ old: [[], []], new: [[], []] })).body.sequences).toHaveLength(2);
  });

  test.each<[string, object, string, string]>([
    [
      'a sum that is too small',
      { segments: [3, 2] },
      'shape_mismatch',
      'segments sum to 5, expected 6, the tokens of old',
    ],
    [
      'a sum that is too large',
      { segments: [2 ** 53 - 1, 2 ** 53 - 1] },
      'shape_mismatch',
      'expected 6, the tokens of old',
    ],
    ['a negative length', { segments: [7, -1] }, 'invalid_tensor', 'segments[1] is -1, expected a length'],
    [
      'lengths that are not whole',
      { segments: [5.5, 0.5] },
      'invalid_tensor',
      'segments.dtype is float32, expected integers',
    ],
    [
      'booleans',
      { segments: { dtype: 'bool', shape: [6], data: [true, true, true, true, true, true] } },
      'invalid_tensor',
      'segments.dtype is bool',
    ],
    ['a matrix', { segments: [[3, 3]] }, 'shape_mismatch', 'segments has shape (1, 2), expected (S,)'],
    [
      'too many',
      { segments: Array.from({ length: MOST_SEQUENCES + 1 }, () => 0) },
      'body_too_large',
      `the request has ${MOST_SEQUENCES + 1} sequences, expected at most ${MOST_SEQUENCES}`,
    ],
    [
      'segments of rows',
      { old: [OLD], new: [NEW], segments: [6] },
      'shape_mismatch',
      'segments are given for old of shape (1, 6), whose rows are the sequences already',
    ],
  ])('%s is refused', async (_what, changed, code, says) => {
    const { body } = await post({ old: OLD, new: NEW, ...changed });
    expect(body.code).toBe(code);
    expect(body.detail).toContain(says);
  });

  test('as many as there may be are listed', async () => {
    const count = MOST_SEQUENCES;
    const old = { dtype: 'float32', shape: [count, 2], data: new Uint8Array(8 * count) };
    const { status, body } = await post({ old, new: old }, MSGPACK);
    expect([status, body.sequences.length]).toEqual([200, count]);
  });

  test.each([[[2 ** 40, 0]], [[MOST_SEQUENCES + 1, 0]]])(
    'a shape of many empty rows takes no memory: %j',
    async (shape) => {
      const old = { dtype: 'float32', shape, data: new Uint8Array(0) };
      const { body } = await post({ old, new: old }, MSGPACK);
      expect([body.code, body.detail]).toEqual(['body_too_large', expect.stringContaining(`${shape[0]} sequences`)]);
    },
  );
});

describe('the mask', () => {
  const masked = { old: [...OLD, 'NaN', 5], new: [...NEW, '-Infinity', 'Infinity'] };

  test.each<[string, unknown]>([
    ['numbers', [1, 1, 1, 1, 1, 1, 0, 0]],
    ['booleans', [true, true, true, true, true, true, false, false]],
    ['bytes', { dtype: 'bool', shape: [8], data: Buffer.from([1, 1, 1, 1, 1, 1, 0, 0]).toString('base64') }],
  ])('leaves tokens out, whatever they hold: %s', async (_what, input_mask) => {
    const { status, body } = await post({ ...masked, input_mask });
    const { tokens, ...expected } = compare([pairsOf(0, 6)]);
    expect(status).toBe(200);
    expect(body).toEqual({ ...expected, tokens: { total: 8, counted: tokens.counted, masked: 2 } });
  });

  test('of all tokens leaves nothing', async () => {
    const { body } = await post({ old: OLD, new: NEW, input_mask: [0, 0, 0, 0, 0, 0] });
    expect(body).toMatchObject({ tokens: { total: 6, counted: 0, masked: 6 }, k1: null, worst_tokens: [] });
    expect(body.sequences).toEqual([
      { tokens: 0, log_ratio: null, k1: null, k3: null, perplexity: { old: null, new: null } },
    ]);
  });

  test('may be flat where tokens are rows', async () => {
    const rows = { old: [OLD.slice(0, 3), OLD.slice(3)], new: [NEW.slice(0, 3), NEW.slice(3)] };
    const flatMask = await post({ ...rows, input_mask: [1, 0, 1, 1, 1, 0] });
    const ofRows = await post({
      ...rows,
      input_mask: [
        [1, 0, 1],
        [1, 1, 0],
      ],
    });
    expect(flatMask.status).toBe(200);
    expect(flatMask.body).toEqual(ofRows.body);
    expect(ofRows.body.sequences.map(({ tokens }) => tokens)).toEqual([2, 2]);
  });

  test.each<[unknown, string, string, string]>([
    [[1, 1, 0.5, 1, 1, 1], 'invalid_mask', '/input_mask/data/2', 'input_mask[2] is 0.5, expected 0 or 1'],
    [[1, 2, 1, 1, 1, 1], 'invalid_mask', '/input_mask/data/1', 'input_mask[1] is 2, expected 0 or 1'],
    [[-1, 1, 1, 1, 1, 1], 'invalid_mask', '/input_mask/data/0', 'input_mask[0] is -1'],
    [[1, 1, 1, 1, 1, 'NaN'], 'invalid_mask', '/input_mask/data/5', 'input_mask[5] is NaN'],
    [[1, 1, 1], 'shape_mismatch', '/input_mask/shape', 'input_mask has shape (3,), expected (6,), the shape of old'],
    [[[1, 1, 1, 1, 1, 1]], 'shape_mismatch', '/input_mask/shape', 'input_mask has shape (1, 6), expected (6,)'],
    [
      { dtype: 'bool', shape: [6], data: Buffer.from([1, 1, 2, 1, 1, 1]).toString('base64') },
      'invalid_tensor',
      '/input_mask/data/2',
      'expected 0 or 1 for bool',
    ],
  ])('%j is refused', async (input_mask, code, pointer, says) => {
    const { status, body } = await post({ old: OLD, new: NEW, input_mask });
    expect([status, body.code, body.errors[0]!.pointer]).toEqual([422, code, pointer]);
    expect(body.detail).toContain(says);
  });
});

describe('log-probabilities', () => {
  test.each<[unknown, string]>([
    ['Infinity', 'Infinity'],
    ['-Infinity', '-Infinity'],
    ['NaN', 'NaN'],
    [0.011, '0.011'],
    [2.5, '2.5'],
    [-1e300, '-1e+300'],
  ])('that count may not be %j', async (value, shown) => {
    for (const name of ['old', 'new'] as const) {
      const values = name === 'old' ? OLD : NEW;
      const { status, body } = await post({ old: OLD, new: NEW, [name]: values.with(4, value as number) });
      expect([status, body.code, body.errors[0]!.pointer]).toEqual([422, 'invalid_tensor', `/${name}/data/4`]);
      expect(body.detail).toContain(
        `${name}[4] is ${shown}, expected a log-probability: a finite number of at most 0.01`,
      );
    }
  });

  test('may be above 0 by rounding', async () => {
    const { status, body } = await post({ old: [0.01, -0], new: [1e-7, 0] });
    expect([status, body.tokens.counted]).toEqual([200, 2]);
  });

  test('overflow is text in JSON, and a number in MessagePack', async () => {
    const request = { old: [-800, -1], new: [0, -1] };
    expect((await post(request)).body).toMatchObject({ k1: -400, k3: 'Infinity', chi2_token: 'Infinity' });
    expect((await post(request, MSGPACK)).body).toMatchObject({ k3: 'Infinity' });
  });

  test.each(['float16', 'bfloat16', 'float32', 'float64', 'float8_e5m2'] as const)(
    'may be %s, and of two dtypes',
    async (dtype) => {
      const { status, body } = await post({ old: tensor(OLD, dtype), new: tensor(NEW) }, MSGPACK);
      // All dtypes except float8 represent these values exactly.
      expect(status).toBe(200);
      if (dtype !== 'float8_e5m2') expect(body).toEqual(compare([pairsOf(0, 6)]));
    },
  );

  test.each<[string, object, string, string]>([
    [
      'integers with a dtype',
      { old: { dtype: 'int64', data: [0, 0], shape: [2] }, new: [0, 0] },
      'invalid_tensor',
      'old.dtype is int64, expected one of',
    ],
    ['null', { old: [null, -1], new: [-1, -1] }, 'invalid_tensor', 'entry 0 of old is null, expected a number'],
    ['text as an entry', { old: ['a', -1], new: [-1, -1] }, 'invalid_tensor', 'entry 0 of old is "a"'],
    [
      'lengths that differ',
      { old: [-1, -2], new: [-1] },
      'shape_mismatch',
      'new has shape (1,), expected (2,), the shape of old',
    ],
    ['rows and no rows', { old: [[-1, -2]], new: [-1, -2] }, 'shape_mismatch', 'new has shape (2,), expected (1, 2)'],
    [
      'rows that differ',
      {
        old: [
          [-1, -2],
          [-1, -2],
        ],
        new: [[-1, -2, -3, -4]],
      },
      'shape_mismatch',
      'new has shape (1, 4), expected (2, 2)',
    ],
    [
      'three axes',
      { old: [[[-1]]], new: [[[-1]]] },
      'shape_mismatch',
      'old has shape (1, 1, 1), expected (N,) or (B, T)',
    ],
    ['a number alone', { old: -1, new: -1 }, 'invalid_tensor', 'old is -1, expected'],
    ['ragged rows', { old: [[-1], [-1, -2]], new: [[-1], [-1, -2]] }, 'invalid_tensor', 'ragged'],
    [
      'bytes that do not fill their shape',
      { old: { dtype: 'float32', shape: [3], data: flat(OLD) }, new: NEW },
      'invalid_tensor',
      'old.data has 24 bytes, but shape (3,) of float32 needs 12 bytes',
    ],
    ['old alone', { old: [-1] }, 'missing_field', 'the field new is missing'],
    ['null for new', { old: [-1], new: null }, 'missing_field', 'the field new is missing'],
    ['logits', { old: [-1], new: [-1], logits: [[1]] }, 'unknown_field', 'unknown field "logits"'],
    ['a misspelt field', { old: [-1], new: [-1], segment: [1] }, 'unknown_field', 'did you mean segments?'],
    ['verl’s name of old', { rollout_log_probs: [-1], new: [-1] }, 'unknown_field', 'did you mean old?'],
    ['verl’s name of new', { old: [-1], old_log_probs: [-1] }, 'unknown_field', 'did you mean new?'],
    ['a mask by another name', { old: [-1], new: [-1], mask: [1] }, 'unknown_field', 'did you mean input_mask?'],
    [
      'options',
      { old: [-1], new: [-1], options: { reduction: 'sum' } },
      'invalid_option',
      'this comparison has no options',
    ],
  ])('%s are refused', async (_what, request, code, says) => {
    const { status, body } = await post(request);
    expect([status, body.code]).toEqual([422, code]);
    expect(body.detail).toContain(says);
  });

  test('a file without new is refused', async () => {
    const { body } = await post(safetensorsFile([['old', tensor(OLD)]], {}), 'application/vnd.safetensors');
    expect(body.code).toBe('missing_field');
  });

  test('of a file may not be integers', async () => {
    const file = safetensorsFile(
      [
        ['old', integers([0])],
        ['new', integers([0])],
      ],
      {},
    );
    expect((await post(file, 'application/vnd.safetensors')).body.code).toBe('invalid_tensor');
  });
});

test('tokens are on the account before they are read', async () => {
  const count = 2 ** 17;
  const tokens = { dtype: 'float16', shape: [count], data: new Uint8Array(2 * count) };
  const { status, body } = await post({ old: tokens, new: tokens }, MSGPACK, frugal);
  expect([status, body.code]).toEqual([413, 'body_too_large']);
  expect(body.detail).toContain(`${count} tokens, 24 bytes each, must be buffered in memory`);
});

test('a comparison is counted, with its tokens as rows', async () => {
  const rowsOf = async (): Promise<number> =>
    Number(/^lossmeter_evaluated_rows_total (\d+)/m.exec(await (await service.get('/metrics')).text())![1]);
  const before = await rowsOf();
  await post({ old: OLD, new: NEW });
  expect((await rowsOf()) - before).toBe(OLD.length);
});

const count = shareOf(1_000_000, 4);

test(`${count} tokens leave the main thread to others`, async () => {
  const old = {
    dtype: 'float32',
    shape: [count],
    data: new Uint8Array(Float32Array.from({ length: count }, (_, k) => -(k % 97) / 16).buffer),
  };
  const long = post({ old, new: old }, MSGPACK);
  let answered = 0;
  const others = (async () => {
    while ((await Promise.race([long, service.get('/livez')])) instanceof Response) answered++;
  })();
  expect((await long).status).toBe(200);
  await others;
  expect(answered).toBeGreaterThan(count / 50_000);
});
