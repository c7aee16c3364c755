import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Comparison } from '../../src/contract/kl-divergence.ts';
import { FLOAT_DTYPES } from '../../src/tensor/dtype.ts';
import type { DType, FloatDType } from '../../src/tensor/dtype.ts';
import { numbersOf } from '../../src/tensor/tensor.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { encodeElements } from '../../src/wire/tensors/elements.ts';
import { lse } from '../reference.ts';
import { WRITERS } from '../request-bodies.ts';
import type { Writer } from '../request-bodies.ts';
import { encode, seededRandom } from '../rows.ts';
import { safetensorsFile } from '../safetensors-file.ts';
import { MSGPACK, Service } from '../service.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'lossmeter-kl-divergence-'));
afterAll(() => rmSync(dataDir, { recursive: true }));

/** Service with slabs of a few rows, so that a request is many blocks on two workers; and a service that compares inline. */
const service = Service.start({ dataDir, workers: 2, slabBytes: 1024, inlineLogits: 0 });
const atOnce = Service.start({ dataDir, inlineLogits: 2 ** 20 });

const ROWS = 61;
const CLASSES = 43;
const random = seededRandom(11);
const logitValues = Array.from({ length: ROWS * CLASSES }, () => (random() - 0.5) * 16);
const referenceValues = logitValues.map((x) => x + (random() - 0.5) * 2);

const tensor = (dtype: DType, shape: number[], values: number[]): Tensor => ({
  dtype,
  shape,
  data: encodeElements('test', dtype, values),
});
const floats = (dtype: FloatDType, values: number[]): Tensor => ({
  dtype,
  shape: [ROWS, CLASSES],
  data: encode(dtype, values),
});

const logits = floats('float32', logitValues);
const reference = floats('float32', referenceValues);
const label = tensor(
  'int64',
  [ROWS],
  Array.from({ length: ROWS }, (_, row) => (row * 7) % CLASSES),
);
const inputMask = tensor(
  'float32',
  [ROWS],
  Array.from({ length: ROWS }, (_, row) => [1, 0.5, 0, 2][row % 4]!),
);

const OUTPUTS = ['kl_divergence', 'probability_difference', 'nll', 'reference_nll', 'top1_agreement', 'gradient'];

async function compare(
  fields: object,
  { from = service, writer = 'msgpack' }: { from?: typeof service; writer?: Writer } = {},
) {
  const path = '/v1/kl-divergence';
  const { headers, body } = WRITERS[writer](fields as Record<string, unknown>);
  const { 'content-type': type, ...others } = headers as Record<string, string>;
  const answer = await from.post(body, {
    type: type!,
    headers: { ...others, accept: writer === 'msgpack numpy' ? 'application/json' : MSGPACK },
    path,
  });
  return { ...answer, body: answer.body as unknown as Comparison & { code: string; detail: string } };
}

const column = (body: Comparison, name: string): Float64Array => numbersOf(body.outputs[name]!);

/** KL(P‖Q) in float64, by its termwise form. */
function klOf(p: ArrayLike<number>, q: ArrayLike<number>, s = 1): number {
  const [x, y] = [Array.from(p, (v) => s * v), Array.from(q, (v) => s * v)];
  const [a, b] = [lse(x), lse(y)];
  return x.reduce((sum, v, c) => {
    const [lp, lq] = [v - a, y[c]! - b];
    return sum + Math.exp(lp) * (Math.expm1(lq - lp) - (lq - lp));
  }, 0);
}

const rowsOf = (values: ArrayLike<number>): Float64Array[] =>
  Array.from({ length: ROWS }, (_, row) => Float64Array.from(values).subarray(row * CLASSES, (row + 1) * CLASSES));

const relative = (a: number, b: number): number => Math.abs(a - b) / Math.abs(b);

describe('every format has the same bits', () => {
  const fields = { reference, logits, label, input_mask: inputMask, options: { outputs: OUTPUTS } };

  test.each(Object.keys(WRITERS) as Writer[])('%s', async (writer) => {
    const plain = await compare(fields, { from: atOnce });
    expect(plain.status, plain.body.detail).toBe(200);
    const other = await compare(fields, { writer });
    const { numpy, ...body } = other.body as Comparison & { numpy?: unknown };
    expect(numpy).toBeUndefined();
    if (writer === 'msgpack numpy') expect(body.numerator).toBe(plain.body.numerator);
    else expect(body).toEqual(plain.body);
  });

  test('in whatever order the two tensors come', async () => {
    const plain = await compare({ ...fields }, { from: atOnce });
    for (const order of [
      ['label', 'input_mask', 'options', 'reference', 'logits'],
      ['label', 'input_mask', 'options', 'logits', 'reference'],
      ['logits', 'options', 'reference', 'label', 'input_mask'],
    ] as const) {
      const ordered = Object.fromEntries(order.map((name) => [name, fields[name]]));
      for (const from of [service, atOnce]) {
        const answer = await compare(ordered, { from });
        expect(answer.body).toEqual(plain.body);
      }
    }
  });

  test('from files of the data directory, either of them or both', async () => {
    writeFileSync(
      join(dataDir, 'a.safetensors'),
      safetensorsFile([
        ['logits', logits],
        ['reference', reference],
      ]),
    );
    const named = (name: string): object => ({ file: 'a.safetensors', tensor: name });
    const { outputs: _, ...plain } = (await compare(fields, { from: atOnce })).body;
    for (const changed of [
      { reference: named('reference') },
      { logits: named('logits') },
      { reference: named('reference'), logits: named('logits') },
    ]) {
      for (const from of [service, atOnce]) {
        const answer = await compare({ ...fields, ...changed }, { from });
        expect(answer.status, answer.body.detail).toBe(200);
        const { outputs, ...body } = answer.body;
        expect(body).toEqual(plain);
        expect(outputs['gradient']).toEqual(_['gradient']);
      }
    }
  });
});

test.each(FLOAT_DTYPES)('%s logits agree with float64', async (dtype) => {
  for (const other of ['float32', dtype] as const) {
    const fields = { reference: floats(other, referenceValues), logits: floats(dtype, logitValues) };
    const { body } = await compare({ ...fields, options: { outputs: ['kl_divergence'] } });
    const [ps, qs] = [rowsOf(numbersOf(fields.reference)), rowsOf(numbersOf(fields.logits))];
    const kl = column(body, 'kl_divergence');
    ps.forEach((p, row) => expect(relative(kl[row]!, klOf(p, qs[row]!))).toBeLessThan(2e-6));
  }
});

test('the loss is the mean, the sum, or none', async () => {
  const { body } = await compare({ reference, logits, input_mask: inputMask, options: { outputs: ['kl_divergence'] } });
  const kl = column(body, 'kl_divergence');
  const m = numbersOf(inputMask);
  const numerator = kl.reduce((sum, value, row) => sum + m[row]! * value, 0);
  const weight = m.reduce((sum, value) => sum + value, 0);
  expect(body.numerator).toBeCloseTo(numerator, 12);
  expect(body.denominator).toBe(weight);
  expect(body.loss).toBeCloseTo(numerator / (weight + 1e-8), 12);
  expect(body.kl_divergence.mean).toBeCloseTo(numerator / weight, 12);
  const ask = async (options: object): Promise<Comparison> =>
    (await compare({ reference, logits, input_mask: inputMask, options })).body;
  expect((await ask({ reduction: 'sum' })).loss).toBe(body.numerator);
  expect(await ask({ reduction: 'none' })).not.toHaveProperty('loss');
  expect((await ask({ semantics: 'torch' })).loss).toBe(body.numerator / weight);
});

test('equal tensors have a divergence of exactly 0, and an agreement of 1', async () => {
  const { body } = await compare({ reference: logits, logits, label, options: { outputs: ['kl_divergence'] } });
  expect(column(body, 'kl_divergence').every((value) => value === 0)).toBe(true);
  expect(body).toMatchObject({
    numerator: 0,
    kl_divergence: { mean: 0, standard_error: 0, min: 0, max: 0 },
    top1_agreement: { fraction: 1, standard_error: 0 },
    probability_difference: { mean: 0, rms: 0, rms_standard_error: 0 },
    perplexity: { log_ratio: { value: 0, standard_error: 0 }, difference: { value: 0, standard_error: 0 } },
    diagnostics: { verdict: 'finite', causes: [], truncated: false },
  });
  expect(body.perplexity!.correlation).toBeCloseTo(1, 12);
});

test('Jensen-Shannon of beta 0 and 1 is forward and reverse', async () => {
  const bits = async (options: object): Promise<unknown> =>
    (await compare({ reference, logits, options: { ...options, outputs: ['kl_divergence'] } })).body.outputs;
  expect(await bits({ direction: 'jensen_shannon', beta: 0 })).toEqual(await bits({}));
  expect(await bits({ direction: 'jensen_shannon', beta: 1 })).toEqual(await bits({ direction: 'reverse' }));
});

describe('what is not finite is named with its side, row and class', () => {
  const lists = (row: number[], other: number[]): object => ({ reference: [row, row], logits: [other, row] });

  test.each([
    [
      'NaN in the logits',
      [1, 2, 3],
      [1, NaN, 3],
      { side: 'logits', cause: 'nan_logit', rows: 1, first: { row: 0, column: 1 } },
    ],
    [
      'mass of the reference where the logits are -Infinity',
      [1, 2, 3],
      [1, -Infinity, 3],
      { side: 'logits', cause: 'reference_mass_at_neg_inf', rows: 1, first: { row: 0, column: 1 } },
    ],
  ])('%s', async (_name, row, other, cause) => {
    const { body } = await compare(lists(row, other));
    expect(body.diagnostics.verdict).toBe('non_finite');
    expect(body.diagnostics.causes).toMatchObject([cause]);
    expect(body.diagnostics.summary).toMatch(/row 0, class 1/);
    const rejected = await compare({ ...lists(row, other), options: { on_non_finite: 'reject' } });
    expect([rejected.status, rejected.body.code]).toEqual([422, 'non_finite_loss']);
  });

  test('signs of overflow are counted on each side', async () => {
    const row = { dtype: 'float16', shape: [1, 3], data: encode('float16', [65_504, 1, 2]) };
    const { body } = await compare({ reference: [[1, 2, 3]], logits: row });
    expect(body.diagnostics.logits.float16).toMatchObject({ at_largest: 1 });
    expect(body.diagnostics.reference).not.toHaveProperty('float16');
  });

  test('places of one side do not depend on those of the other', async () => {
    const bad = (first: number, value: number): number[][] =>
      Array.from({ length: 2000 }, (_, row) => [0, row >= first && row < first + 900 ? value : 0, 1]);
    const request = { reference: bad(1050, Infinity), logits: bad(0, NaN), options: { max_locations: 3 } };
    for (const from of [service, atOnce]) {
      const { body } = await compare(request, { from });
      const rowsOfSide = (side: 'logits' | 'reference') =>
        body.diagnostics[side]!.locations.map(({ row }: { row: number }) => row);
      expect(rowsOfSide('logits')).toEqual([0, 1, 2]);
      expect(rowsOfSide('reference')).toEqual([1050, 1051, 1052]);
    }
  });

  test('-Infinity on both sides is no class at all', async () => {
    const { body } = await compare({ reference: [[1, -Infinity, 2]], logits: [[2, -Infinity, 1]] });
    expect(body.numerator).toBeCloseTo(klOf([1, 2], [2, 1]), 6);
  });

  test('the same class at -Infinity on the other side is finite', async () => {
    const { body } = await compare({ reference: [[1, -Infinity, 2]], logits: [[2, 0, 1]] });
    expect(body.diagnostics.verdict).toBe('finite');
  });
});

describe('the top K of a teacher', () => {
  const K = 5;
  const [ps, qs] = [rowsOf(numbersOf(reference)), rowsOf(numbersOf(logits))];
  const tops = ps.map((p) => {
    const a = lse(p);
    return [...p.keys()]
      .toSorted((i, j) => p[j]! - p[i]!)
      .slice(0, K)
      .map((c) => [c, p[c]! - a] as const);
  });
  const indices = tensor(
    'int32',
    [ROWS, K],
    tops.flatMap((top) => top.map(([c]) => c)),
  );
  const logprobs = tensor(
    'float64',
    [ROWS, K],
    tops.flatMap((top) => top.map(([, lp]) => lp)),
  );

  test.each(['bucket', 'drop'] as const)('with its tail as %s', async (tail) => {
    const { body, status } = await compare({
      reference: { indices, logprobs },
      logits,
      options: { tail, outputs: ['kl_divergence'] },
    });
    expect(status, body.detail).toBe(200);
    const kl = column(body, 'kl_divergence');
    tops.forEach((top, row) => {
      const b = lse(qs[row]!);
      const terms = top.reduce((sum, [c, lp]) => sum + Math.exp(lp) * (lp - (qs[row]![c]! - b)), 0);
      const [P, Q] = [
        top.reduce((sum, [, lp]) => sum + Math.exp(lp), 0),
        top.reduce((sum, [c]) => sum + Math.exp(qs[row]![c]! - b), 0),
      ];
      const expected = tail === 'drop' ? terms : terms + (1 - P) * Math.log((1 - P) / (1 - Q));
      expect(kl[row]!).toBeCloseTo(expected, 6);
    });
    expect(body.diagnostics.truncated).toBe(tail === 'drop');
    expect(body.diagnostics).not.toHaveProperty('reference');
  });

  test.each([
    ['float64', 1e-15, true],
    ['float32', 4e-6, true],
    ['float32', 1e-4, false],
    ['bfloat16', 5e-3, true],
    ['bfloat16', 0.1, false],
  ] as const)(
    'of %s that lacks a probability of %d, where the logits exclude all others',
    async (dtype, rest, isFinite) => {
      const share = Math.log((1 - rest) / 2);
      const { body, status } = await compare({
        reference: { indices: [[0, 2]], logprobs: tensor(dtype, [1, 2], [share, share]) },
        logits: tensor('float32', [1, 4], [1, -Infinity, 1, -Infinity]),
        options: { outputs: ['kl_divergence'] },
      });
      expect(status, body.detail).toBe(200);
      const [divergence] = column(body, 'kl_divergence');
      if (isFinite) expect(divergence).toBeCloseTo(0, 4);
      else expect(divergence).toBe(Infinity);
    },
  );

  test('comes in every format', async () => {
    const options = { outputs: ['kl_divergence'] };
    const plain = (await compare({ reference: { indices, logprobs }, logits, options })).body;
    for (const writer of ['json', 'json lists', 'msgpack'] as const) {
      const { body, status } = await compare({ reference: { indices, logprobs }, logits, options }, { writer });
      expect(status, `${writer}: ${body.detail}`).toBe(200);
      expect(body).toEqual(plain);
    }
    const file = { 'reference.indices': indices, 'reference.logprobs': logprobs, logits, options };
    expect((await compare(file, { writer: 'safetensors' })).body).toEqual(plain);
  });

  test.each([
    [{ indices: [[0, 0]], logprobs: [[-1, -2]] }, 'invalid_reference', 'which row 0 has already'],
    [{ indices: [[0, 3]], logprobs: [[-1, -2]] }, 'invalid_reference', 'expected a class in [0, 3)'],
    [{ indices: [[0, 1]], logprobs: [[-0.1, -0.2]] }, 'invalid_reference', 'sum to'],
    [{ indices: [[0, 1]], logprobs: [[-0.1]] }, 'shape_mismatch', 'reference.logprobs'],
    [{ indices: [[0, 1, 2, 0]], logprobs: [[-1, -2, -3, -4]] }, 'shape_mismatch', '1 ≤ K ≤ 3'],
    [{ indices: [[0, 1]] }, 'missing_field', 'reference.logprobs'],
  ])('is refused as %o', async (wrong, code, says) => {
    const { status, body } = await compare({ reference: wrong, logits: [[1, 2, 3]] }, { writer: 'json' });
    expect([status, body.code]).toEqual([422, code]);
    expect(body.detail).toContain(says);
  });

  test.each(['reference.indices', 'reference.logprobs'])('is refused where %s stands beside logits', async (name) => {
    const top = { 'reference.indices': indices, 'reference.logprobs': logprobs }[name];
    const { status, body } = await compare({ [name]: top, reference, logits }, { writer: 'safetensors' });
    expect([status, body.code]).toEqual([422, 'invalid_reference']);
    expect(body.detail).toContain(`${name} and reference are both given`);
  });
});

test.each([
  [{ logits: [[1, 2]] }, 'missing_field', 'reference is missing'],
  [{ reference: [[1, 2]] }, 'missing_field', 'logits is missing'],
  [{ reference: [[1, 2, 3]], logits: [[1, 2]] }, 'shape_mismatch', 'reference has shape (1, 3)'],
  [{ reference: [[1, 2]], logits: [[1, 2]], weight: [1, 1] }, 'unknown_field', 'weight'],
  [{ reference: [[1, 2]], logits: [[1, 2]], options: { outputs: ['nll'] } }, 'missing_field', 'outputs has nll'],
  [{ reference: [[1, 2]], logits: [[1, 2]], options: { beta: 0.5 } }, 'invalid_option', 'beta is 0.5, expected none'],
  [
    { reference: [[1, 2]], logits: [[1, 2]], options: { tail: 'drop' } },
    'invalid_option',
    'tail is drop, expected none',
  ],
  [
    { reference: [[1, 2]], logits: [[1, 2]], options: { direction: 'reverse', reference_floor: 3 } },
    'invalid_option',
    'reference_floor is 3, expected none',
  ],
  [
    { reference: [[1, 2]], logits: [[1, 2]], options: { temperature: 2 } },
    'invalid_option',
    'did you mean logit_scale',
  ],
  [{ reference: [[1, 2]], logits: [[1, 2]], label: [[0.5, 0.5]] }, 'invalid_label', 'class probabilities'],
])('%j is refused', async (request, code, says) => {
  const { status, body } = await compare(request, { writer: 'json' });
  expect([status, body.code]).toEqual([422, code]);
  expect(body.detail).toContain(says);
});
