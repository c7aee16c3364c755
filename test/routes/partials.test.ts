import type { Diagnostics } from '../../src/contract/diagnostics.ts';
import { describe, expect, test } from 'vitest';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import { elementsOf } from '../../src/tensor/tensor.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { partOf, shareOf } from '../lists.ts';
import { ROWS, encode, seededRandom } from '../rows.ts';
import type { Answer } from '../service.ts';
import { TIMED } from '../timed.ts';
import { JSON_TYPE, MSGPACK, Service } from '../service.ts';

/** Removes the worst rows: over shards their losses differ in the last place, and their ranks are unknown. */
function withoutWorst(diagnostics: Diagnostics): Partial<Diagnostics> {
  const others: Partial<Diagnostics> = { ...diagnostics };
  delete others.worst_rows;
  return others;
}

const service = Service.shared();

type Request = Record<string, unknown>;

interface Batch {
  dtype: FloatDType;
  logits: number[][];
  label: unknown;
  /** Class probabilities, when the label is not class indices. */
  probabilities?: number[][];
  rest?: Request;
}

const tensorOf = (dtype: FloatDType, rows: number[][]): unknown => ({
  dtype,
  shape: [rows.length, rows[0]!.length],
  data: encode(dtype, rows.flat()),
});

const whole = ({ dtype, logits, label, probabilities, rest }: Batch): Request => ({
  label: probabilities === undefined ? label : tensorOf('float64', probabilities),
  ...rest,
  logits: tensorOf(dtype, logits),
});

function shard(batch: Batch, start: number, end: number): Request {
  const cut = (rows: number[][]): number[][] => rows.map((row) => row.slice(start, end));
  const { probabilities, logits } = batch;
  return {
    vocab_start: start,
    vocab_size: logits[0]!.length,
    ...whole({
      ...batch,
      logits: cut(logits),
      ...(probabilities && { probabilities: cut(probabilities) }),
    }),
  };
}

const post = (request: unknown, path = '', type = MSGPACK): Promise<Answer> =>
  service.post(request, { type, headers: { accept: type }, path: `/v1/cross-entropy${path}` });

/** Number of concurrent requests. A slow service would refuse more. */
const MOST_AT_ONCE = 32;

async function partialsOf(batch: Batch, cuts: number[], type = MSGPACK): Promise<unknown[]> {
  const ends = [...cuts, batch.logits[0]!.length];
  const partials: unknown[] = [];
  for (let first = 0; first < ends.length; first += MOST_AT_ONCE) {
    const some = ends.slice(first, first + MOST_AT_ONCE).map(async (end, k) => {
      const { status, body } = await post(shard(batch, ends[first + k - 1] ?? 0, end), '/partials', type);
      expect(status, JSON.stringify(body)).toBe(200);
      return body;
    });
    partials.push(...(await Promise.all(some)));
  }
  return partials;
}

async function combined(batch: Batch, cuts: number[], options?: object): Promise<Answer> {
  const partials = await partialsOf(batch, cuts);
  return post({ partials, ...(options && { options }) }, '/combine');
}

const columnOf = (answer: Answer, name: string): number[] =>
  Array.from(elementsOf(answer.body.outputs[name] as Tensor), Number);

/** Batches of every kind of row, with a label in every shard. */
function batchOf(dtype: FloatDType, classes: number, rest: Request = {}): Batch {
  const random = seededRandom(classes);
  const label = Object.keys(ROWS).map(() => Math.floor(classes * random()));
  const logits = Object.values(ROWS).map((make, row) => make(classes, label[row]!, random));
  return { dtype, logits, label, rest };
}

/** Rows without NaN and infinities, which would make every sum of the batch the same. */
const finiteOf = (batch: Batch): Batch => ({
  ...batch,
  logits: batch.logits.map((row) => row.map((x) => (Number.isFinite(x) ? x : 0))),
});

function expectClose(actual: number, expected: number, bound: number, what: string): void {
  if (!Number.isFinite(expected)) expect(actual, what).toBe(expected);
  else expect(Math.abs(actual - expected), what).toBeLessThanOrEqual(bound * Math.max(1, Math.abs(expected)));
}

describe.each(partOf(KERNEL_DTYPES, 3))('%s', (dtype) => {
  const bound = dtype === 'float64' ? 1e-12 : 2e-7;

  test.each([[[100]], [[1, 2, 3, 4]], [[256, 299]]])(
    'shards cut at %j merge to the rows of the whole',
    async (cuts) => {
      const batch = batchOf(dtype, 300, { options: { outputs: ['lse', 'per_token_loss', 'predictions'] } });
      const [expected, actual] = await Promise.all([post(whole(batch)), combined(batch, cuts)]);
      expect(actual.status, JSON.stringify(actual.body)).toBe(200);
      for (const name of ['lse', 'per_token_loss', 'predictions']) {
        const wanted = columnOf(expected, name);
        const kinds = Object.keys(ROWS);
        columnOf(actual, name).forEach((value, row) => {
          // Shards cut float32 sums at other places, so results differ by last places of float32, such as 1e-3 at 1e4.
          expectClose(value, wanted[row]!, dtype === 'float64' ? 1e-12 : 2e-6, `${name} of ${kinds[row]}`);
        });
      }
      const { diagnostics: found } = actual.body;
      expect(withoutWorst(found)).toEqual(withoutWorst(expected.body.diagnostics));
      expect(actual.body.rows).toEqual(expected.body.rows);
    },
  );

  const OPTIONS: [string, object, Request][] = [
    ['plain', {}, {}],
    ['masked and weighted', {}, { input_mask: maskOf(), weight: weightOf(30) }],
    ['smoothed', { label_smoothing: 0.1 }, {}],
    [
      'smoothed and weighted, with a z-loss',
      { label_smoothing: 0.3, lse_square_scale: 1e-4 },
      { weight: weightOf(30) },
    ],
    ['scaled', { logit_scale: 0.5, label_smoothing: 0.1, semantics: 'megatron' }, { weight: weightOf(30) }],
    ['shifted sum', { shift: 2, reduction: 'sum' }, { input_mask: maskOf() }],
    ['invalid labels', { invalid_label: 'zero_loss', ignore_index: [], label_smoothing: 0.1 }, {}],
  ];

  test.each(OPTIONS)(
    '%s: losses, metrics and the norm of the gradient are those of the whole',
    async (_name, options, rest) => {
      const asked = {
        ...options,
        metrics: ['accuracy'],
        check_for_nan_in_loss_and_grad: true,
        parallel_config: { data_parallel: Object.keys(ROWS).length },
      };
      const batch = finiteOf(batchOf(dtype, 30, { ...rest, options: asked }));
      if ('invalid_label' in options) batch.label = (batch.label as number[]).with(0, 77).with(5, -100);
      const [{ body: expected }, { status, body: actual }] = await Promise.all([
        post(whole(batch)),
        combined(batch, [7, 8, 20]),
      ]);
      expect(status, JSON.stringify(actual)).toBe(200);
      for (const name of ['loss', 'numerator', 'denominator', 'z_loss', 'mean_nll'] as const) {
        expectClose(actual[name]!, expected[name]!, 10 * bound, name);
      }
      expectClose(actual.metrics.accuracy!, expected.metrics.accuracy!, 1e-12, 'accuracy');
      const { gradient, local_losses: locals } = actual.diagnostics;
      expectClose(gradient!.norm / expected.diagnostics.gradient!.norm, 1, 10 * bound, 'norm');
      locals!.forEach((local, k) => expectClose(local, expected.diagnostics.local_losses![k]!, 2e-6, `group ${k}`));
    },
  );

  test.each([
    ['plain', {}, {}],
    ['weighted and smoothed', { label_smoothing: 0.2 }, { weight: weightOf(30) }],
    ['masked, with a z-loss', { lse_square_scale: 1e-3 }, { input_mask: maskOf() }],
  ])('class probabilities, %s, merge to those of the whole', async (_name, options, rest) => {
    const random = seededRandom(30);
    const batch = finiteOf(
      batchOf(dtype, 30, { ...rest, options: { ...options, metrics: ['accuracy'], outputs: ['per_token_loss'] } }),
    );
    batch.probabilities = batch.logits.map((_, row) =>
      Array.from({ length: 30 }, (__, c) => (row % 3 === 0 ? Number(c === row % 30) : random() / 15)),
    );
    const [expected, actual] = await Promise.all([post(whole(batch)), combined(batch, [10, 11])]);
    expect(actual.status, JSON.stringify(actual.body)).toBe(200);
    expectClose(actual.body.loss!, expected.body.loss!, 10 * bound, 'loss');
    expectClose(actual.body.metrics.accuracy!, expected.body.metrics.accuracy!, 1e-12, 'accuracy');
    expect(withoutWorst(actual.body.diagnostics)).toEqual(withoutWorst(expected.body.diagnostics));
    const wanted = columnOf(expected, 'per_token_loss');
    columnOf(actual, 'per_token_loss').forEach((loss, row) => {
      expectClose(loss, wanted[row]!, dtype === 'float64' ? 1e-12 : 2e-6, `row ${row}`);
    });
  });
});

function maskOf(): number[] {
  return Object.keys(ROWS).map((_, row) => (row % 4 === 0 ? 0 : row % 3));
}

function weightOf(classes: number): unknown {
  return { dtype: 'float64', shape: [classes], data: Array.from({ length: classes }, (_, c) => (c % 5) / 2) };
}

const LOGITS = [
  [1, 2, 3, 0],
  [0.5, 0.25, 0, -1],
];
const SMALL: Batch = { dtype: 'float32', logits: LOGITS, label: [2, 0] };

test('the order in which partials are combined does not matter, to the bit', async () => {
  const partials = await partialsOf(SMALL, [1, 2]);
  const [one, other] = await Promise.all([
    post({ partials }, '/combine'),
    post({ partials: partials.toReversed() }, '/combine'),
  ]);
  expect(other.body).toEqual(one.body);
});

test('partials travel as JSON, too, to the same bits', async () => {
  const [inMsgpack, inJson] = await Promise.all([partialsOf(SMALL, [3]), jsonPartials()]);
  const [a, b] = await Promise.all([
    post({ partials: inMsgpack }, '/combine'),
    service.post({ partials: inJson }, { path: '/v1/cross-entropy/combine' }),
  ]);
  expect(b.body.loss).toBe(a.body.loss);
});

async function jsonPartials(): Promise<unknown[]> {
  const parts = [
    { vocab_start: 0, vocab_size: 4, logits: LOGITS.map((row) => row.slice(0, 3)), label: [2, 0] },
    { vocab_start: 3, vocab_size: 4, logits: LOGITS.map((row) => row.slice(3)), label: [2, 0] },
  ];
  return Promise.all(
    parts.map(async (part) => (await service.post(part, { path: '/v1/cross-entropy/partials', type: JSON_TYPE })).body),
  );
}

test('a row with a NaN in any shard has no prediction, and is no hit', async () => {
  for (const nan of [0, 1, 2, 3]) {
    const batch = {
      ...SMALL,
      logits: [LOGITS[0]!.with(nan, Number.NaN), LOGITS[1]!],
      rest: { options: { outputs: ['predictions'], metrics: ['accuracy'] } },
    };
    const [expected, actual] = await Promise.all([post(whole(batch)), combined(batch, [2])]);
    expect(columnOf(actual, 'predictions')[0]).toBe(-1);
    expect(columnOf(actual, 'predictions')).toEqual(columnOf(expected, 'predictions'));
    expect(actual.body.metrics.accuracy).toBe(expected.body.metrics.accuracy);
    expect(actual.body.diagnostics.rows_without_prediction).toBe(1);
  }
});

test('label smoothing over −Inf in one shard is told with its place', async () => {
  const batch = {
    ...SMALL,
    logits: LOGITS.map((row) => row.with(3, -Infinity)),
    rest: { options: { label_smoothing: 0.1 } },
  };
  for (const cuts of [[2], [3]]) {
    const [expected, actual] = await Promise.all([post(whole(batch)), combined(batch, cuts)]);
    expect(actual.body.numerator).toBe(Infinity);
    expect(withoutWorst(actual.body.diagnostics)).toEqual(withoutWorst(expected.body.diagnostics));
  }
});

test('a vocabulary of two billion classes takes no longer to combine than one of two', async () => {
  const options = { check_for_nan_in_loss_and_grad: true };
  const [partial] = await partialsOf({ ...SMALL, rest: { options } }, []);
  const vast = { ...(partial as object), classes: 2 ** 31 - 1, vocab_size: 2 ** 31 - 1 };
  const started = performance.now();
  const { status } = await post({ partials: [vast] }, '/combine');
  expect(status).toBe(200);
  expect(performance.now() - started).toBeLessThan(1000);
});

test(
  'as many shards as classes are combined to the loss and the norm of the whole, in bounded time',
  TIMED,
  async () => {
    const classes = shareOf(1024, 8);
    const logits = Array.from({ length: 8 }, (_, row) => Array.from({ length: classes }, (__, c) => Math.sin(row * c)));
    const rest = { options: { label_smoothing: 0.1, check_for_nan_in_loss_and_grad: true } };
    const batch: Batch = { dtype: 'float32', logits, label: logits.map((_, row) => (classes / 8) * row), rest };
    const partials = await partialsOf(
      batch,
      Array.from({ length: classes - 1 }, (_, k) => k + 1),
    );
    const { body, headers } = await post({ partials }, '/combine');
    const { body: expected } = await post(whole(batch));
    expect(body.loss).toBeCloseTo(expected.loss!, 6);
    expect(body.diagnostics.gradient!.norm).toBeCloseTo(expected.diagnostics.gradient!.norm, 7);
    const reduce = Number(/reduce;dur=([\d.]+)/.exec(headers.get('server-timing')!)![1]);
    expect(reduce).toBeLessThan(2000);
  },
);

test('a weight as large as float64 has does not make the norm of the gradient NaN', async () => {
  const options = { check_for_nan_in_loss_and_grad: true };
  const weight = { dtype: 'float64', shape: [4], data: [1e200, 1, 1, 1e308] };
  const batch: Batch = { ...SMALL, label: [2, 1], rest: { weight, options } };
  const [expected, actual] = await Promise.all([post(whole(batch)), combined(batch, [2])]);
  expect(actual.body.diagnostics.gradient!.norm).toBeCloseTo(expected.body.diagnostics.gradient!.norm, 6);
});

test('a NaN in one shard is found at its place in the vocabulary', async () => {
  const batch = { ...SMALL, logits: [LOGITS[0]!, [0.5, 0.25, 0, Number.NaN]] };
  const { body } = await combined(batch, [2]);
  expect(body.loss).toBe(Number.NaN);
  expect(body.diagnostics.causes).toEqual([
    {
      cause: 'nan_logit',
      rows: 1,
      first: { row: 1, column: 3, value: 'NaN', is_label: false, masked: false },
    },
  ]);
});

test('a label whose shard is −Inf throughout has probability 0', async () => {
  const batch = { ...SMALL, logits: LOGITS.map((row) => row.with(2, -Infinity).with(3, -Infinity)) };
  const { body } = await combined(batch, [2]);
  expect(body.numerator).toBe(Infinity);
  expect(body.diagnostics.causes).toMatchObject([{ cause: 'neg_inf_at_label', first: { row: 0, column: 2 } }]);
});

test('weights of the whole vocabulary are cut to the shard', async () => {
  const weight = [1, 2, 3, 4];
  const cut = { ...SMALL, rest: { weight } };
  const [expected, actual] = await Promise.all([post(whole(cut)), combined(cut, [1, 3])]);
  expect(actual.body.denominator).toBe(4);
  expect(actual.body.loss).toBeCloseTo(expected.body.loss!, 6);
});

test('options that do not say what is in a partial can be changed when they are combined', async () => {
  const { body } = await combined(SMALL, [2], { reduction: 'sum', lse_square_scale: 0.5, outputs: ['per_token_loss'] });
  const expected = await post(
    whole({ ...SMALL, rest: { options: { reduction: 'sum', lse_square_scale: 0.5, outputs: ['per_token_loss'] } } }),
  );
  expect(body.loss).toBeCloseTo(expected.body.loss!, 6);
  expect(body.z_loss).toBeCloseTo(expected.body.z_loss, 6);
});

describe('refused', () => {
  test.each([
    [{ outputs: ['gradient'] }, 'gradient'],
    [{ outputs: ['target_rank'] }, 'target_rank'],
    [{ outputs: ['entropy'] }, 'entropy'],
    [{ metrics: ['ece'] }, 'ece'],
    [{ metrics: ['top5_accuracy'] }, 'top5_accuracy'],
    [{ metrics: ['mean_entropy'] }, 'mean_entropy'],
    [{ softcap: 30, check_for_nan_in_loss_and_grad: true }, 'soft-capped'],
  ])('%j: it would need a second exchange', async (options, says) => {
    const { status, body } = await post(shard({ ...SMALL, rest: { options } }, 0, 2), '/partials');
    expect([status, body.code]).toEqual([422, 'invalid_option']);
    expect(body.detail).toContain(says);
    expect(body.detail).toContain('second exchange');
  });

  test.each([
    [{ vocab_start: undefined }, 'missing_field', 'vocab_start is missing'],
    [{ vocab_size: undefined }, 'missing_field', 'vocab_size is missing'],
    [{ vocab_start: -1 }, 'invalid_shard', 'vocab_start is -1'],
    [{ vocab_size: 1.5 }, 'invalid_shard', 'vocab_size is 1.5'],
    [{ vocab_start: 3 }, 'invalid_shard', '[3, 5), but vocab_size is 4'],
    [{ label: [2, 4] }, 'invalid_label', 'expected a class in [0, 4)'],
  ])('a shard with %j', async (change, code, says) => {
    const { status, body } = await service.post(
      JSON.stringify({
        vocab_start: 0,
        vocab_size: 4,
        logits: [
          [1, 2],
          [3, 4],
        ],
        label: [2, 0],
        ...change,
      }),
      { path: '/v1/cross-entropy/partials' },
    );
    expect([status, body.code], body.detail).toEqual([422, code]);
    expect(body.detail).toContain(says);
  });

  test('a whole batch with vocab_start', async () => {
    const { status, body } = await post(shard(SMALL, 0, 2));
    expect([status, body.code]).toEqual([422, 'unknown_field']);
  });

  /** Detail of the refusal to combine partials. */
  const refusalOf = async (partials: unknown[]): Promise<string> => {
    const { status, body } = await post({ partials }, '/combine');
    expect([status, body.code], body.detail).toEqual([422, 'partials_mismatch']);
    return body.detail;
  };

  test('shards that leave classes out, overlap, or are not of one vocabulary', async () => {
    const [first, second] = await partialsOf(SMALL, [2]);
    const [wider] = await partialsOf(SMALL, [3]);
    expect(await refusalOf([first])).toContain('the classes [2, 4) are missing');
    expect(await refusalOf([second])).toContain('the classes [0, 2) are missing');
    expect(await refusalOf([wider, second])).toContain('the classes [2, 3) come twice');
    expect(await refusalOf([first, first, second])).toContain('the classes [0, 2) come twice');
    const larger = await partialsOf({ ...SMALL, logits: LOGITS.map((row) => [...row, 1]) }, [2]);
    expect(await refusalOf([first, larger[1]])).toContain('vocab_size is 4');
  });

  test('shards of other rows, masks or options', async () => {
    const [first] = await partialsOf(SMALL, [2]);
    const secondOf = async (change: Partial<Batch>): Promise<unknown> =>
      (await partialsOf({ ...SMALL, ...change }, [2]))[1];
    expect(await refusalOf([first, await secondOf({ label: [2, 1] })])).toContain('label or mask of row 1');
    expect(await refusalOf([first, await secondOf({ rest: { input_mask: [1, 2] } })])).toContain('mask of row 1');
    expect(await refusalOf([first, await secondOf({ logits: LOGITS.slice(1), label: [0] })])).toContain('shape (2,)');
    expect(await refusalOf([first, await secondOf({ rest: { options: { reduction: 'sum' } } })])).toContain(
      'options.reduction is "mean"',
    );
    expect(await refusalOf([first, await secondOf({ rest: { options: { softcap: 3 } } })])).toContain(
      'options.softcap',
    );
    expect(await refusalOf([first, await secondOf({ rest: { weight: [1, 1, 1, 1] } })])).toContain('class weights');
    const soft = { probabilities: LOGITS.map(() => [0.25, 0.25, 0.25, 0.25]) };
    expect(await refusalOf([first, await secondOf(soft)])).toContain('class probabilities');
  });

  test('but not shards whose options mean the same', async () => {
    const made = async (options: object) => partialsOf({ ...SMALL, rest: { options } }, [2]);
    const [first] = await made({ ignore_index: -100, outputs: ['lse', 'predictions'] });
    const options = { ignore_index: [-100], outputs: ['predictions', 'lse'], class_axis: 1, gradient_dtype: 'float32' };
    const [, second] = await made(options);
    expect((await post({ partials: [first, second] }, '/combine')).status).toBe(200);
  });

  test.each([
    [{ shift: 1 }, 'options.shift'],
    [{ softcap: 30 }, 'options.softcap'],
    [{ label_smoothing: 0.1 }, 'options.label_smoothing'],
    [{ metrics: ['accuracy'] }, 'options.metrics'],
    [{ outputs: ['lse'] }, 'options.outputs'],
    [{ check_for_nan_in_loss_and_grad: true }, 'options.check_for_nan_in_loss_and_grad'],
  ])('combining with %j, which the partials are not made for', async (options, says) => {
    const { status, body } = await combined(SMALL, [2], options);
    expect([status, body.code]).toEqual([422, 'invalid_option']);
    expect(body.detail).toContain(says);
    expect(body.detail).toContain('in the requests that make the partials');
  });

  const withColumn =
    (name: string, data: number[]): Change =>
    (p) => ({ ...p, columns: { ...(p['columns'] as object), [name]: { dtype: 'int32', shape: [2], data } } });

  type Change = (partial: Record<string, unknown>) => unknown;
  const CHANGES: [string, Change, string][] = [
    ['the version before', (p) => ({ ...p, lossmeter_partial: 2 }), 'of version 2, expected version 3'],
    ['another version', (p) => ({ ...p, lossmeter_partial: 4 }), 'of version 4, expected version 3'],
    ['no partial', () => 7, '7'],
    ['null', () => null, 'null'],
    ['an evaluation', () => ({ loss: 1 }), '{"loss":1}'],
    ['a field more', (p) => ({ ...p, extra: 1 }), 'was changed'],
    ['a field that is null', (p) => ({ ...p, locations: null }), 'was changed'],
    ['a column less', (p) => ({ ...p, columns: {} }), 'columns/nll'],
    [
      'a column of another length',
      (p) => ({ ...p, columns: { ...(p['columns'] as object), logSum: zeros('float64', 3) } }),
      'columns/logSum',
    ],
    [
      'a column of another dtype',
      (p) => ({ ...p, columns: { ...(p['columns'] as object), logSum: zeros('int32', 2) } }),
      'columns/logSum',
    ],
    [
      'a class beyond the vocabulary',
      (p) => ({ ...p, target: { dtype: 'int32', shape: [2], data: [4, 0] } }),
      'target 4',
    ],
    ['a class below all', (p) => ({ ...p, target: { dtype: 'int32', shape: [2], data: [-3, 0] } }), 'target -3'],
    [
      'a negative mask',
      (p) => ({ ...p, input_mask: { dtype: 'float64', shape: [2], data: [-1, 0] } }),
      '-1 in input_mask',
    ],
    ['a shape of too many rows', (p) => ({ ...p, shape: [2 ** 52], output_shape: [2 ** 52] }), 'target'],
    ['a shape without rows', (p) => ({ ...p, shape: [] }), 'shape ()'],
    ['outputs of another shape', (p) => ({ ...p, output_shape: [3] }), 'outputs of shape (3,)'],
    ['a shard beyond the vocabulary', (p) => ({ ...p, vocab_start: 3 }), '[3, 5)'],
    ['a negative count', withColumn('posInfCount', [-7, 0]), '-7 in columns/posInfCount'],
    ['more non-finite values than classes', withColumn('nanCount', [3, 0]), '3 in columns/nanCount'],
    ['a kernel that is none', (p) => ({ ...p, kernel: '<script>' }), 'was changed'],
    ['a column more', withColumn('extra', [0, 0]), 'a column "extra"'],
    ['outputs of the same size and another shape', (p) => ({ ...p, output_shape: [1, 2] }), 'outputs of shape (1, 2)'],
    ['an unknown option', (p) => ({ ...p, options: { bananas: 1 } }), 'bananas'],
  ];

  test.each(CHANGES)('a partial that was changed: %s', async (_name, change, says) => {
    const [first, second] = await partialsOf(SMALL, [2]);
    const changed = change(first as Record<string, unknown>);
    const { status, body } = await post({ partials: [changed, second] }, '/combine');
    expect(status, JSON.stringify(body)).toBe(422);
    expect(body.detail).toContain(says);
  });

  test.each([
    [{}, 'missing_field', 'partials is missing'],
    [{ partials: [] }, 'invalid_partial', 'a list of 1 to'],
    [{ partials: 3 }, 'invalid_partial', 'partials is 3'],
    [{ partial: [] }, 'unknown_field', 'did you mean partials?'],
    [[], 'malformed_body', 'expected {"partials"'],
  ])('a request to combine that is %j', async (request, code, says) => {
    const { body } = await post(request, '/combine');
    expect(body.code).toBe(code);
    expect(body.detail).toContain(says);
  });
});

function zeros(dtype: 'float64' | 'int32', length: number): unknown {
  return { dtype, shape: [length], data: Array.from({ length }, () => 0) };
}
