import { describe, expect, test } from 'vitest';
import { elementsOf } from '../../src/tensor/tensor.ts';
import { exactSum, gradient, lse, nll, uniformNll } from '../reference.ts';
import { MSGPACK, Service } from '../service.ts';
import type { Answer } from '../service.ts';
import { close, rowsOf } from './known-batch.ts';

const service = Service.shared();

const LOGITS = [
  [0.5, 1, -1, 0.25],
  [2, 0.1, 0.3, -2],
  [0.2, 0.3, -2, 1],
];
const LABEL = [0, 1, 3];
const WEIGHT = [-1.5, 0.75, 0, -0.5];
const MASK = [2, 1, 0.5];
const PROBABILITIES = [
  [0.125, 0.5, 0.25, 0.125],
  [0, 0, 0, 1],
  [0.25, 0.25, 0.25, 0.25],
];

type Request = Record<string, unknown>;

const float64 = (rows: number[][]): object => ({
  ...{ dtype: 'float64', shape: [rows.length, rows[0]!.length] },
  data: new Uint8Array(Float64Array.from(rows.flat()).buffer),
});

const numbers = ({ body }: Answer, output: string): number[] => Array.from(elementsOf(body.outputs[output]!), Number);

/** Matcher for a number, which may be NaN. */
const near = (value: number, digits = 12): unknown => (Number.isNaN(value) ? value : expect.closeTo(value, digits));

const TORCH = { semantics: 'torch' };

/** A batch under `semantics: "torch"`, in float64. */
function batch({ options, logits = LOGITS, weight = WEIGHT, ...others }: Request = {}): Request {
  return {
    logits: float64(logits as number[][]),
    label: LABEL,
    weight: { dtype: 'float64', shape: [(weight as number[]).length], data: weight },
    ...others,
    options: { ...TORCH, ...(options as object) },
  };
}

const post = (request: Request, path = '/v1/cross-entropy'): Promise<Answer> =>
  service.post(request, { type: MSGPACK, headers: { accept: MSGPACK }, path });

async function evaluate(request: Request): Promise<Answer> {
  const answer = await post(batch(request));
  expect(answer.status, answer.body.detail).toBe(200);
  return answer;
}

/** Coefficients q_c of each row, for the loss Σ_c q_c·(lse − x_c). */
function shares(probabilities: number[][], smoothing: number, weight = WEIGHT): Float64Array[] {
  return probabilities.map((p) =>
    Float64Array.from(p, (value, c) => weight[c]! * ((1 - smoothing) * value + smoothing / p.length)),
  );
}

/** q_c of class indices: the label has the weight w_y, and each class that smoothing mixes in has w_c. */
function indexShares(smoothing: number): Float64Array[] {
  return LABEL.map((y) =>
    Float64Array.from(WEIGHT, (w, c) => (c === y ? (1 - smoothing) * WEIGHT[y]! : 0) + (smoothing / 4) * w),
  );
}

const LAMBDA = 0.01;

describe.each([
  ['class indices', LABEL, indexShares],
  ['class probabilities', float64(PROBABILITIES), (smoothing: number) => shares(PROBABILITIES, smoothing)],
])('%s', (kind, label, sharesOf) => {
  describe.each([0, 0.2, 1])('smoothed by %d', (smoothing) => {
    test.each(['mean', 'sum', 'none'])('have the loss and the gradient of the formula, %s', async (reduction) => {
      const options = {
        ...{ reduction, label_smoothing: smoothing, lse_square_scale: LAMBDA },
        ...{ outputs: ['gradient', 'per_token_loss'], check_for_nan_in_loss_and_grad: true },
      };
      const answer = await evaluate({ label, input_mask: MASK, options });
      const q = sharesOf(smoothing);
      const losses = LOGITS.map((row, r) => exactSum(row.map((_, c) => q[r]![c]! * nll(row, c))));
      const z = LOGITS.map((row) => LAMBDA * lse(row) ** 2);
      const total = (values: number[]): number => exactSum(values.map((value, r) => MASK[r]! * value));
      const D = kind === 'class indices' ? total(LABEL.map((y) => WEIGHT[y]!)) : total([1, 1, 1]);
      const mean = total(losses) / D + total(z) / total([1, 1, 1]);
      const loss = { mean, sum: total(losses) + total(z), none: undefined }[reduction];
      expect(answer.body).toMatchObject({
        ...(loss !== undefined && { loss: near(loss) }),
        ...{ numerator: near(total(losses)), denominator: near(D), z_loss: near(total(z)) },
        diagnostics: { verdict: 'finite', causes: [] },
      });
      expect(numbers(answer, 'per_token_loss')).toEqual(close(losses.map((own, r) => MASK[r]! * (own + z[r]!))));
      const scale = reduction === 'mean' ? [D, total([1, 1, 1])] : [1, 1];
      const wanted = LOGITS.flatMap((row, r) => {
        const ofLoss = q[r]!.map((value) => (MASK[r]! / scale[0]!) * value);
        return [...gradient(row, ofLoss, ((2 * LAMBDA) / scale[1]!) * MASK[r]!)];
      });
      expect(numbers(answer, 'gradient')).toEqual(close(wanted));
      expect(answer.body.diagnostics.gradient!.norm).toBeCloseTo(Math.hypot(...wanted), 12);
    });
  });
});

test('a denominator below 0 divides as any other', async () => {
  const { body } = await evaluate({ weight: [-1, -1, 0.5, 1], label: [0, 1, -100] });
  expect(body.denominator).toBe(-2);
  expect(body.loss).toBeCloseTo((nll(LOGITS[0]!, 0) + nll(LOGITS[1]!, 1)) / 2, 14);
});

describe('a denominator of 0, of rows whose weights cancel', () => {
  const [nan, inf] = [Number.NaN, Infinity];
  const row = (value: number, target: number): number[] => [value, value, value, value].with(target, nan);
  const nans = [nan, nan, nan, nan];
  const none = [0, 0, 0, 0];

  // Values of torch.nn.functional.cross_entropy in PyTorch 2.15. See also clients/python/tests/test_torch.py.
  test.each([
    ['is ∞ by the sign of the numerator', [1, -1, 0, 0], 0, -inf, [row(inf, 0), row(-inf, 1), none]],
    ['and of the other sign', [-1, 1, 0, 0], 0, inf, [row(-inf, 0), row(inf, 1), none]],
    ['is NaN where smoothing adds the other infinity', [1, -1, 2, 0], 0.1, nan, [nans, nans, none]],
    ['is ∞ where smoothing adds the same infinity', [-1, 1, 2, 0], 0.1, inf, [nans, nans, none]],
    ['is NaN where all is smoothing', [-1, 1, 0.5, 0], 1, nan, [nans, nans, none]],
  ])('%s', async (_what, weight, smoothing, loss, wanted) => {
    const options = { label_smoothing: smoothing, outputs: ['gradient'], check_for_nan_in_loss_and_grad: true };
    const answer = await evaluate({ weight, label: [0, 1, -100], options });
    expect(answer.body.loss).toBe(loss);
    expect(rowsOf(numbers(answer, 'gradient'), 4)).toEqual(wanted);
    const { verdict, causes, summary, gradient: norm } = answer.body.diagnostics;
    expect([verdict, causes]).toEqual(['non_finite', [{ cause: 'zero_denominator', rows: 0 }]]);
    expect(summary).toBe('the weights of 2 counted rows sum to 0: the denominator is 0');
    expect(norm).toEqual({ norm: nan, finite: false });
  });

  test('does not touch a sum', async () => {
    const { body } = await evaluate({ weight: [1, -1, 0, 0], label: [0, 1, -100], options: { reduction: 'sum' } });
    expect(body.loss).toBeCloseTo(nll(LOGITS[0]!, 0) - nll(LOGITS[1]!, 1), 14);
    expect(body.diagnostics.verdict).toBe('finite');
  });
});

describe('−Inf at a class of negative weight', () => {
  const atLabel = LOGITS.with(0, [-Infinity, 1, -1, 0.25]);
  const twoClasses = LOGITS.with(0, [-Infinity, -Infinity, -1, 0.25]);

  test('makes the loss −∞ where it is the label', async () => {
    const { body } = await evaluate({ logits: atLabel, options: { reduction: 'sum' } });
    expect(body.loss).toBe(-Infinity);
    expect(body.diagnostics.causes).toMatchObject([
      { cause: 'neg_inf_at_label', rows: 1, first: { row: 0, column: 0 } },
    ]);
  });

  test.each([
    ['−∞ by its sign', [0, 1, 1, -1], -Infinity],
    ['NaN with a class of positive weight', [1, -1, 1, 1], Number.NaN],
  ])('makes a smoothed loss %s', async (_what, weight, loss) => {
    const logits = weight[0] === 0 ? LOGITS.with(0, [0.5, 1, -1, -Infinity]) : twoClasses;
    const options = { reduction: 'sum', label_smoothing: 0.1 };
    const { body } = await evaluate({ logits, weight, label: [2, 1, 2], options });
    expect(body.loss).toBe(loss);
    const column = weight[0] === 0 ? 3 : 0;
    expect(body.diagnostics.causes).toMatchObject([{ cause: 'neg_inf_smoothed', rows: 1, first: { row: 0, column } }]);
  });
});

describe('over shards of the vocabulary', () => {
  async function combined(request: Request, changes: object = {}): Promise<Answer> {
    const { logits = LOGITS, weight = WEIGHT, label = LABEL, probabilities, ...others } = request;
    const partials = await Promise.all(
      [0, 2].map(async (start) => {
        const cut = (rows: number[][]): number[][] => rows.map((row) => row.slice(start, start + 2));
        const answer = await post(
          batch({
            ...{ vocab_start: start, vocab_size: 4, logits: cut(logits as number[][]), ...others },
            label: probabilities === undefined ? label : float64(cut(probabilities as number[][])),
            weight,
          }),
          '/v1/cross-entropy/partials',
        );
        expect(answer.status, answer.body.detail).toBe(200);
        return answer.body;
      }),
    );
    return post({ partials, options: changes }, '/v1/cross-entropy/combine');
  }

  const whole = ({ probabilities, ...request }: Request): Promise<Answer> =>
    evaluate(probabilities === undefined ? request : { ...request, label: float64(probabilities as number[][]) });

  const emptyShard = LOGITS.with(1, [2, 0.1, -Infinity, -Infinity]);
  const smoothed = { label_smoothing: 0.1, reduction: 'none' };

  test.each<[string, Request]>([
    ['class indices', { input_mask: MASK }],
    ['smoothed ones', { options: { label_smoothing: 0.2, check_for_nan_in_loss_and_grad: true } }],
    ['class probabilities', { probabilities: PROBABILITIES, options: { label_smoothing: 0.2 } }],
    [
      'a denominator of 0',
      { weight: [1, -1, 0, 0], label: [0, 1, -100], options: { check_for_nan_in_loss_and_grad: true } },
    ],
    ['a shard of −Inf whose weights cancel', { logits: emptyShard, weight: [1, 1, -1, 1], options: smoothed }],
    ['a shard of −Inf with weights below 0', { logits: emptyShard, weight: [1, 1, -1, 0], options: smoothed }],
    ['a shard of −Inf without weights', { logits: emptyShard, weight: [1, 1, 0, 0], options: smoothed }],
    [
      'a shard of −Inf whose weighted probabilities cancel',
      { logits: emptyShard, weight: [1, 1, -1, 1], probabilities: PROBABILITIES.with(1, [0, 0.5, 0.25, 0.25]) },
    ],
    [
      'a shard of −Inf whose probabilities cancel',
      { logits: emptyShard, weight: [1, 1, 1, 2], probabilities: PROBABILITIES.with(1, [0.5, 0.5, 0.25, -0.25]) },
    ],
  ])('%s have what the whole has', async (_what, request) => {
    const { options, ...others } = request;
    const asked = { ...others, options: { ...(options as object), outputs: ['per_token_loss'] } };
    const [expected, actual] = await Promise.all([whole(asked), combined(asked)]);
    expect(actual.status, actual.body.detail).toBe(200);
    expect(numbers(actual, 'per_token_loss')).toEqual(numbers(expected, 'per_token_loss').map((loss) => near(loss)));
    const { loss, numerator, denominator, mean_nll: meanNll, diagnostics } = expected.body;
    expect(actual.body).toMatchObject({
      ...(loss !== undefined && { loss: near(loss) }),
      ...{ numerator: near(numerator), denominator, mean_nll: near(meanNll) },
      diagnostics: {
        ...{ verdict: diagnostics.verdict, summary: diagnostics.summary, causes: diagnostics.causes },
        ...(diagnostics.gradient && {
          gradient: { norm: near(diagnostics.gradient.norm), finite: diagnostics.gradient.finite },
        }),
      },
    });
  });

  test.each(['mindformers', 'megatron'])('are not combined under %s', async (semantics) => {
    const { status, body } = await combined({}, { semantics });
    expect([status, body.code, body.errors![0]!.pointer]).toEqual([422, 'invalid_option', '/options/semantics']);
    expect(body.detail).toContain(`options.semantics is "${semantics}", but the partials have the class weight -1.5`);
  });

  test('are refused in a partial of another profile', async () => {
    const { body } = await post(
      batch({ vocab_start: 0, vocab_size: 4, weight: [1, 1, 1, 1], options: { semantics: 'megatron' } }),
      '/v1/cross-entropy/partials',
    );
    const weight = { dtype: 'float64', shape: [4], data: WEIGHT };
    const changed = await post({ partials: [{ ...body, weight }] }, '/v1/cross-entropy/combine');
    expect([changed.status, changed.body.code]).toEqual([422, 'invalid_partial']);
    expect(changed.body.detail).toContain('-1.5 in weight');
  });
});

test('parallel_config evaluates shards and groups with them', async () => {
  const parallel = { parallel_config: { data_parallel: 3, model_parallel: 2 }, label_smoothing: 0.2 };
  const [expected, actual] = await Promise.all([
    evaluate({ options: { label_smoothing: 0.2 } }),
    evaluate({ options: parallel }),
  ]);
  expect(actual.body.loss).toBeCloseTo(expected.body.loss!, 13);
  const losses = LOGITS.map(
    (row, r) => 0.8 * WEIGHT[LABEL[r]!]! * nll(row, LABEL[r]!) + 0.05 * uniformNll(row, WEIGHT),
  );
  expect(actual.body.diagnostics.local_losses).toEqual(close(losses.map((loss) => loss / (1 + 1e-8))));
});

test('a run keeps and adds up what they amount to', async () => {
  const record = (rank: number, body: Request): Promise<Response> =>
    fetch(`${service.url}/v1/runs/negative/steps/1/ranks/${rank}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...body, logits: LOGITS, weight: WEIGHT }),
    });
  const { body } = await evaluate({});
  expect(body.denominator).toBe(-1.25);
  for (const rank of [0, 1]) expect((await record(rank, batch({}))).status).toBe(201);
  const step = (await (await service.get('/v1/runs/negative/steps/1')).json()) as Record<string, unknown>;
  expect(step).toMatchObject({ loss: near(body.loss!, 7), denominator: -2.5, non_finite: false });
});

test('the Open Inference Protocol takes them as a parameter says', async () => {
  const input = (name: string, datatype: string, shape: number[], data: number[]): object => ({
    ...{ name, datatype, shape, data },
  });
  const inputs = [
    input('label', 'INT64', [3], LABEL),
    input('weight', 'FP64', [4], WEIGHT),
    input('logits', 'FP64', [3, 4], LOGITS.flat()),
  ];
  const infer = (parameters: object): Promise<Answer> =>
    service.post({ inputs, parameters }, { path: '/v2/models/cross_entropy/infer' });
  const { body } = await infer(TORCH);
  const { outputs } = body as unknown as { outputs: { name: string; data: number[] }[] };
  expect(outputs.find(({ name }) => name === 'denominator')!.data).toEqual([-1.25]);
  expect((await infer({})).body.code).toBe('invalid_weight');
});

describe('refused', () => {
  test.each(['mindformers', 'megatron', undefined])('under %s', async (semantics) => {
    const options = { semantics };
    const { status, body } = await service.post({ logits: LOGITS, label: LABEL, weight: WEIGHT, options });
    expect([status, body.code, body.errors![0]!.pointer]).toEqual([422, 'invalid_weight', '/weight/data/0']);
    expect(body.detail).toContain('weight[0] is -1.5, expected a finite number that is not negative');
    expect(body.detail).toContain('`semantics: "torch"` takes negative class weights');
  });

  test.each(['NaN', 'Infinity', '-Infinity'])('%s, under torch too', async (value) => {
    const { status, body } = await service.post({
      logits: LOGITS,
      label: LABEL,
      weight: [1, value, 1, 1],
      options: TORCH,
    });
    expect([status, body.code]).toEqual([422, 'invalid_weight']);
    expect(body.detail).toContain(`weight[1] is ${value}, expected a finite number`);
  });

  test('a negative mask, under torch too', async () => {
    const { status, body } = await post(batch({ input_mask: [1, -1, 1] }));
    expect([status, body.code]).toEqual([422, 'invalid_mask']);
  });
});

test('megatron refuses to smooth by 1, as Megatron does', async () => {
  const options = { semantics: 'megatron', label_smoothing: 1 };
  const { status, body } = await service.post({ logits: LOGITS, label: LABEL, options });
  expect([status, body.code, body.errors![0]!.pointer]).toEqual([422, 'invalid_option', '/options/label_smoothing']);
  expect(body.detail).toContain('options.label_smoothing is 1, expected a number in [0, 1)');
  const torch = { logits: LOGITS, label: LABEL, options: { ...options, semantics: 'torch' } };
  expect((await service.post(torch)).status).toBe(200);
});
