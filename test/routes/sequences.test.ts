/** Sequences of a batch, and the sizes of their texts, over HTTP. */
import { describe, expect, test } from 'vitest';
import { MOST_SEQUENCES } from '../../src/contract/limits.ts';
import type { Evaluation } from '../../src/contract/cross-entropy.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { INFERENCE_WRITERS, WRITERS, inferenceInput } from '../request-bodies.ts';
import type { Encoded, Writer } from '../request-bodies.ts';
import { encode } from '../rows.ts';
import { JSON_TYPE, Service } from '../service.ts';

const service = Service.shared();
const [N, C] = [9, 5];
const LENGTHS = [4, 0, 1, 4];
const BYTES = [11, 0, 2.5, 9];
const X = Float32Array.from({ length: N * C }, (_, k) => 4 * Math.sin(3 * k + 1));
const LABEL = Array.from({ length: N }, (_, row) => (row * 3 + 1) % C);
const MASK = [1, 0.5, 2, 1, 0, 1, 1, 0, 3];

const tensor = (dtype: Parameters<typeof encode>[0], values: ArrayLike<number>, shape = [values.length]): Tensor => ({
  ...{ dtype, shape },
  data: encode(dtype, Array.from(values)),
});
const integers = (values: readonly number[], shape = [values.length]): Tensor => ({
  ...{ dtype: 'int64', shape },
  data: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
});

const LOGITS = tensor('float32', X, [N, C]);
const FIELDS = { label: integers(LABEL), input_mask: tensor('float32', MASK), segments: integers(LENGTHS) };

/** nll of a row at a label. */
function nllAt(row: number, label: number): number {
  const x = Array.from(X.subarray(row * C, (row + 1) * C));
  const top = Math.max(...x);
  return top + Math.log(x.reduce((sum, one) => sum + Math.exp(one - top), 0)) - x[label]!;
}

/** m and nll of the counted rows of each segment, by the plain definition. */
function expectedRows(lengths: readonly number[], shift = 0): { m: number; nll: number }[][] {
  let begin = 0;
  return lengths.map((length) => {
    const rows = Array.from({ length: Math.max(0, length - shift) }, (_, k) => begin + k);
    begin += length;
    return rows
      .map((row) => ({ m: MASK[row + shift]!, nll: nllAt(row, LABEL[row + shift]!) }))
      .filter(({ m }) => m !== 0);
  });
}

const total = (rows: readonly { m: number; nll: number }[]) => ({
  numerator: rows.reduce((sum, { m, nll }) => sum + m * nll, 0),
  denominator: rows.reduce((sum, { m }) => sum + m, 0),
});

async function send({ headers, body }: Encoded, path = '/v1/cross-entropy') {
  const response = await fetch(service.url + path, {
    method: 'POST',
    headers: { ...headers, accept: JSON_TYPE },
    body: body as NonNullable<RequestInit['body']>,
  });
  return { status: response.status, answer: (await response.json()) as Evaluation };
}

async function evaluate(fields: object): Promise<Evaluation> {
  const { status, answer } = await send(WRITERS.msgpack({ ...FIELDS, logits: LOGITS, ...fields }));
  expect(answer).toMatchObject({ kernel: expect.any(String) });
  expect(status).toBe(200);
  return answer;
}

describe.each([0, 1, 3])('with shift %i', (shift) => {
  const rows = expectedRows(LENGTHS, shift);

  test('each segment has the sums of its counted rows, and nulls without any', async () => {
    const { sequences, numerator, rows: counts } = await evaluate({ options: { outputs: ['sequences'], shift } });
    expect(sequences).toHaveLength(LENGTHS.length);
    for (const [k, ofSegment] of rows.entries()) {
      const expected = total(ofSegment);
      const mean = expected.numerator / expected.denominator;
      expect(sequences![k]).toEqual(
        ofSegment.length === 0
          ? { tokens: 0, numerator: null, denominator: null, mean_nll: null, perplexity: null }
          : {
              tokens: ofSegment.length,
              numerator: expect.closeTo(expected.numerator, 5),
              denominator: expected.denominator,
              mean_nll: expect.closeTo(mean, 5),
              perplexity: expect.closeTo(Math.exp(mean), 4),
            },
      );
    }
    expect(numerator).toBeCloseTo(total(rows.flat()).numerator, 5);
    expect(counts.total).toBe(LENGTHS.reduce((sum, length) => sum + Math.max(0, length - shift), 0));
  });

  test('metrics are those of the definitions', async () => {
    const metrics = ['sequence_perplexity', 'standard_error', 'bits_per_byte', 'byte_perplexity', 'word_perplexity'];
    const fields = { bytes: tensor('float64', BYTES), words: tensor('float64', [6], []), options: { shift, metrics } };
    const answer = await evaluate(fields);
    const all = rows.flat();
    const { numerator, denominator } = total(all);
    const perplexities = rows
      .filter(({ length }) => length > 0)
      .map((ofSegment) => {
        const sums = total(ofSegment);
        return Math.exp(sums.numerator / sums.denominator);
      });
    const mean = numerator / denominator;
    const squares = all.reduce((sum, { m, nll }) => sum + (m * (nll - mean)) ** 2, 0);
    expect(answer.metrics).toMatchObject({
      sequence_perplexity: expect.closeTo(perplexities.reduce((sum, one) => sum + one, 0) / perplexities.length, 4),
      standard_error: expect.closeTo(Math.sqrt((all.length / (all.length - 1)) * squares) / denominator, 6),
      bits_per_byte: expect.closeTo(numerator / (Math.LN2 * 22.5), 6),
      byte_perplexity: expect.closeTo(Math.exp(numerator / 22.5), 6),
      word_perplexity: expect.closeTo(Math.exp(numerator / 6), 4),
    });
  });

  test('row outputs are those of the rows that are kept', async () => {
    const { outputs } = await evaluate({ options: { outputs: ['per_token_loss', 'gradient'], shift } });
    const kept = LENGTHS.flatMap((length, k) => {
      const begin = LENGTHS.slice(0, k).reduce((sum, one) => sum + one, 0);
      return Array.from({ length: Math.max(0, length - shift) }, (_, at) => begin + at);
    });
    const losses = new Float64Array(Buffer.from(outputs['per_token_loss']!.data as unknown as string, 'base64'));
    expect(outputs['per_token_loss']!.shape).toEqual([kept.length]);
    expect(Array.from(losses)).toHaveLength(outputs['per_token_loss']!.data.length === 0 ? 0 : losses.length);
    expect(outputs['gradient']!.shape).toEqual([N, C]);
  });
});

test.each(Object.keys(WRITERS) as Writer[])('in %s', async (writer) => {
  const options = { outputs: ['sequences'], metrics: ['bits_per_byte', 'word_perplexity'], shift: 1 };
  const fields = { ...FIELDS, bytes: tensor('float64', BYTES), words: integers([2, 0, 1, 3]), options, logits: LOGITS };
  const { answer, status } = await send(WRITERS[writer](fields));
  expect(status).toBe(200);
  const expected = await evaluate({ bytes: fields.bytes, words: fields.words, options });
  expect(answer).toEqual(expected);
});

test.each(Object.keys(INFERENCE_WRITERS) as (keyof typeof INFERENCE_WRITERS)[])(
  'in the Open Inference Protocol, %s',
  async (writer) => {
    const { logits, ...others } = { ...FIELDS, bytes: tensor('float64', BYTES), logits: LOGITS };
    const inputs = [...Object.entries(others), ['logits', logits] as const].map(([name, one]) =>
      inferenceInput(name, one),
    );
    const parameters = { shift: 1, outputs: '["sequences","lse"]', metrics: '["bits_per_byte"]' };
    const encoded = INFERENCE_WRITERS[writer]({ inputs, parameters });
    const { status, answer } = await send(encoded, '/v2/models/cross_entropy/infer');
    expect(status).toBe(200);
    const expected = await evaluate({
      bytes: others.bytes,
      options: { shift: 1, outputs: ['sequences'], metrics: ['bits_per_byte'] },
    });
    const { parameters: results, outputs } = answer as unknown as {
      parameters: Record<string, unknown>;
      outputs: { name: string; shape: number[] }[];
    };
    expect(JSON.parse(results['sequences'] as string)).toEqual(expected.sequences);
    expect(results['bits_per_byte']).toBe(expected.metrics.bits_per_byte);
    expect(outputs.find(({ name }) => name === 'lse')!.shape).toEqual([6]);
    expect(outputs.map(({ name }) => name)).not.toContain('sequences');
  },
);

describe('without segments', () => {
  const options = { outputs: ['sequences'], metrics: ['sequence_perplexity'] };

  test('the rows of the axis before the classes are the sequences', async () => {
    const threes = await evaluate({ logits: { ...LOGITS, shape: [3, 3, C] }, segments: null, options });
    expect(threes).toEqual(await evaluate({ segments: integers([3, 3, 3]), options }));
    const one = await evaluate({ segments: null, options });
    expect(one.sequences).toHaveLength(1);
    expect(one.metrics.sequence_perplexity).toBe(one.metrics.perplexity);
  });

  test('a shift is that of each of them', async () => {
    const shifted = { ...options, shift: 2 };
    const threes = await evaluate({ logits: { ...LOGITS, shape: [3, 3, C] }, segments: null, options: shifted });
    expect(threes).toEqual(await evaluate({ segments: integers([3, 3, 3]), options: shifted }));
  });

  test('axes of no rows have sequences without rows', async () => {
    const empty = { logits: tensor('float32', [], [2, 0, C]), label: integers([], [2, 0]), input_mask: null };
    const { sequences } = await evaluate({ ...empty, segments: null, options });
    expect(sequences!.map(({ tokens }) => tokens)).toEqual([0, 0]);
  });
});

test('the numerator of a segment is that of the plain label, whatever weights and smoothing are', async () => {
  const options = { outputs: ['sequences'], label_smoothing: 0.25, lse_square_scale: 0.5 };
  const plain = await evaluate({ options: { outputs: ['sequences'] } });
  const weighted = await evaluate({ options, weight: tensor('float32', [1, 2, 3, 4, 5]) });
  expect(weighted.sequences).toEqual(plain.sequences);
});

test('a row alone is a segment', async () => {
  const logits = { ...LOGITS, shape: [C], data: LOGITS.data.subarray(0, 4 * C) };
  const given = { logits, label: integers([1], []), input_mask: null, segments: integers([1], []) };
  const { sequences } = await evaluate({ ...given, options: { outputs: ['sequences'] } });
  expect(sequences).toMatchObject([{ tokens: 1, numerator: expect.closeTo(nllAt(0, 1), 6) }]);
});

describe('refusals', () => {
  const refused = async (fields: object, path = '/v1/cross-entropy') => {
    const { status, body } = await service.post(
      {
        logits: [
          [1, 2],
          [3, 4],
          [5, 6],
        ],
        label: [0, 1, 0],
        ...fields,
      },
      { type: JSON_TYPE, path },
    );
    const { code, detail, errors } = body as unknown as { code: string; detail: string; errors: { pointer: string }[] };
    return { status, code, detail, pointer: errors?.[0]?.pointer };
  };

  test.each([
    [[1, 1], 'shape_mismatch', '/segments', 'segments sum to 2, expected 3, the rows of logits'],
    [[4, -1], 'invalid_tensor', '/segments/data/1', 'segments[1] is -1, expected a length, which is not negative'],
    [[1.5, 1.5], 'invalid_tensor', '/segments/dtype', 'expected integers'],
    [[[1], [2]], 'shape_mismatch', '/segments/shape', 'expected (S,)'],
    [{ dtype: 'bool', data: [1, 1, 1] }, 'invalid_tensor', '/segments/dtype', 'segments.dtype is bool'],
  ])('of the segments %j', async (segments, code, pointer, detail) => {
    expect(await refused({ segments })).toEqual({
      status: 422,
      code,
      pointer,
      detail: expect.stringContaining(detail),
    });
  });

  test.each([
    [{ bytes: [1, 2] }, 'shape_mismatch', '/bytes/shape', 'bytes has shape (2,), expected a number, or shape (1,)'],
    [{ bytes: [1, 2, 3], segments: [1, 2] }, 'shape_mismatch', '/bytes/shape', 'or shape (2,): one for each sequence'],
    [{ words: -1 }, 'invalid_tensor', '/words/data/0', 'words[0] is -1, expected a finite number'],
    [{ bytes: 'NaN' }, 'invalid_tensor', '/bytes', 'bytes'],
    [
      { options: { metrics: ['bits_per_byte'] }, words: 3 },
      'missing_field',
      '/bytes',
      'options.metrics asks for bits_per_byte, which needs the field bytes',
    ],
    [{ options: { metrics: ['word_perplexity'] }, bytes: 3 }, 'missing_field', '/words', 'needs the field words'],
  ])('of the sizes %j', async (fields, code, pointer, detail) => {
    expect(await refused(fields)).toMatchObject({ status: 422, code, detail: expect.stringContaining(detail) });
    expect((await refused(fields)).pointer).toContain(pointer);
  });

  test('of too many sequences', async () => {
    const segments = Array<number>(MOST_SEQUENCES + 1)
      .fill(0)
      .with(0, 3);
    const detail = `the request has ${MOST_SEQUENCES + 1} sequences, expected at most ${MOST_SEQUENCES}; split it by sequences`;
    expect(await refused({ segments })).toMatchObject({ status: 413, code: 'body_too_large', detail });
    const rows = MOST_SEQUENCES + 1;
    const logits = Array.from({ length: rows }, () => [[1, 2]]);
    const many = { logits, label: Array.from({ length: rows }, () => [0]) };
    expect(await refused({ ...many, options: { outputs: ['sequences'] } })).toMatchObject({ status: 413, detail });
    expect((await refused({ ...many, options: { metrics: ['sequence_perplexity'] } })).status).toBe(200);
  });

  test.each(['/v1/cross-entropy/partials', '/v1/diagnose'])('of the fields, at %s', async (path) => {
    const fields = path.endsWith('partials') ? { vocab_start: 0, vocab_size: 2 } : {};
    expect(await refused({ ...fields, segments: [3] }, path)).toMatchObject({
      code: 'unknown_field',
      pointer: '/segments',
    });
  });

  test.each([{ outputs: ['sequences'] }, { metrics: ['sequence_perplexity'] }, { metrics: ['bits_per_byte'] }])(
    'of partials with %j',
    async (options) => {
      const answer = await refused({ vocab_start: 0, vocab_size: 2, options }, '/v1/cross-entropy/partials');
      expect(answer).toMatchObject({ status: 422, code: 'invalid_option' });
      expect(answer.detail).toContain('partials of shards do not hold the sequences');
    },
  );
});
