/**
 * Rows whose label, maximum and offset lie far apart, for example through masks of −1e30. The softmax must not be computed
 * from lse or nll there: both have the rounding error of the largest number in their computation.
 */
import { describe, expect, test } from 'vitest';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import { elementsOf } from '../../src/tensor/tensor.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { partOf } from '../lists.ts';
import { exactSum, gradient } from '../reference.ts';
import { decode, encode } from '../rows.ts';
import { MSGPACK, Service } from '../service.ts';
import type { Answer } from '../service.ts';

const tensor = (dtype: FloatDType, rows: readonly ArrayLike<number>[]): Tensor => ({
  dtype,
  shape: [rows.length, rows[0]!.length],
  data: encode(
    dtype,
    rows.flatMap((row) => Array.from(row)),
  ),
});

/** The least finite value of a dtype. */
const LEAST = {
  float16: -65504,
  bfloat16: -3.3895313892515355e38,
  float32: -3.4028234663852886e38,
  float64: -Number.MAX_VALUE,
};

const WIDE = ['bfloat16', 'float32', 'float64'] as const;

describe.each(['strict', 'relaxed'] as const)('the %s kernels', (kernel) => {
  const service = Service.start({ kernel });

  const post = async (request: object, path = ''): Promise<Answer> => {
    const answer = await service.post(request, {
      type: MSGPACK,
      headers: { accept: MSGPACK },
      path: `/v1/cross-entropy${path}`,
    });
    expect(answer.status, JSON.stringify(answer.body)).toBe(200);
    return answer;
  };
  const gradientOf = ({ body }: Answer): Float64Array => {
    const { dtype, shape, data } = body.outputs['gradient'] as Tensor;
    if (dtype === 'bfloat16') return decode(dtype, Uint8Array.from(data));
    return Float64Array.from(elementsOf({ dtype, shape, data }), Number);
  };
  const normOf = ({ body }: Answer): number => body.diagnostics.gradient!.norm;
  const differentiated = {
    semantics: 'torch',
    outputs: ['gradient'],
    check_for_nan_in_loss_and_grad: true,
  };

  test.each(KERNEL_DTYPES)('differentiate a row of %s whose label has the least logit', async (dtype) => {
    const row = new Float64Array(50257).fill(0).with(7, LEAST[dtype]);
    const options = { ...differentiated, ...(dtype !== 'float64' && { gradient_dtype: 'float32' }) };
    const answer = await post({ label: [7], options, logits: tensor(dtype, [row]) });
    const gradient = gradientOf(answer);
    const s = 1 / 50256;
    expect(gradient[7]).toBe(-1);
    for (const c of [0, 6, 8, 25_000, 50_256]) expect(Math.abs(gradient[c]! / s - 1)).toBeLessThan(2e-6);
    expect(Math.abs(gradient.reduce((sum, g) => sum + g, 0))).toBeLessThan(2e-6);
    expect(Math.abs(normOf(answer) / Math.sqrt(1 + s) - 1)).toBeLessThan(1e-9);
  });

  test.each(WIDE)('calibrate a row of %s whose label is 1e17 below the rest', async (dtype) => {
    const options = { metrics: ['ece'], semantics: 'torch' };
    const { body } = await post({ label: [0], options, logits: tensor(dtype, [[-1e17, 1.25, 0.5, 0.125]]) });
    const confidence = 1 / (1 + Math.exp(-0.75) + Math.exp(-1.125));
    expect(Math.abs(body.metrics.ece! - confidence)).toBeLessThan(1e-6);
  });

  test('calibrate the row of the report', async () => {
    const options = { metrics: ['ece'], semantics: 'torch' };
    const { body } = await post({ label: [0], options, logits: [[-1e17, 1.25, 0.5, 0.1]] });
    expect(body.metrics.ece).toBeCloseTo(0.55897, 5);
  });

  test('differentiate a row whose most probable class is 1e20 below the rest', async () => {
    const logits = tensor('float64', [[-1e20, 1.25, 0.5, 0.1]]);
    const label = tensor('float64', [[0.5, 0.5, 0, 0]]);
    const gradient = gradientOf(await post({ label, options: differentiated, logits }));
    expect(gradient[1]).toBeCloseTo(0.0589705, 7);
    expect(gradient[0]).toBe(-0.5);
    expect(Math.abs(gradient.reduce((sum, g) => sum + g, 0))).toBeLessThan(1e-15);
  });

  test('leave a label far below out of a loss in which it has no weight', async () => {
    const row = [-1e20, 1.25, 0.5, 0.1];
    const logits = tensor('float64', [row]);
    const weight = { ...tensor('float64', [[0, 1, 1, 1]]), shape: [4] };
    const lse = Math.log(Math.exp(1.25) + Math.exp(0.5) + Math.exp(0.1));
    const nll = row.map((x) => lse - x);
    const smoothed = { semantics: 'torch', reduction: 'sum', label_smoothing: 0.5 } as const;
    const smooth = await post({ label: [0], weight, options: smoothed, logits });
    expect(smooth.body.loss).toBeCloseTo((0.5 / 4) * (nll[1]! + nll[2]! + nll[3]!), 14);
    const label = tensor('float64', [[0.5, 0.25, 0.25, 0]]);
    const soft = await post({ label, weight, options: { reduction: 'sum' }, logits });
    expect(soft.body.loss).toBeCloseTo(0.25 * (nll[1]! + nll[2]!), 14);
  });

  describe.each(partOf(KERNEL_DTYPES, 3))('find the norm of a gradient of %s', (dtype) => {
    const rows = [
      [1, 2, 3, 0],
      [0, -1, 0.5, 4],
      [2, 2, 0, 1],
    ];
    const label = [2, 3, 3];
    const options = { semantics: 'torch', reduction: 'sum', check_for_nan_in_loss_and_grad: true } as const;
    const tolerance = dtype === 'float64' ? 1e-12 : 2e-6;
    /** Norm of the gradient of the sum of the losses, with masks of 1. */
    const norm = Math.sqrt(
      exactSum(
        rows.flatMap((row, r) => Array.from(gradient(row, new Float64Array(4).with(label[r]!, 1)), (g) => g * g)),
      ),
    );
    const asFloat64 = (values: number[]): Tensor => ({ ...tensor('float64', [values]), shape: [values.length] });

    test.each([1, 1e160, 1e-200, 1e300, 1e-300, 1e19, 1e21, 1e-21])('with masks of %d', async (mask) => {
      const answer = await post({
        ...{ label, options, input_mask: asFloat64([mask, mask, mask]) },
        logits: tensor(dtype, rows),
      });
      expect(Math.abs(normOf(answer) / mask / norm - 1)).toBeLessThan(tolerance);
      expect(answer.body.diagnostics.gradient!.finite).toBe(true);
    });

    test.each([1e160, 1e-200])('with weights of %d, and the same over shards', async (w) => {
      const smoothed = { ...options, label_smoothing: 0.25, lse_square_scale: 0 };
      const plain = { ...{ label, options: smoothed }, logits: tensor(dtype, rows) };
      const weight = asFloat64([w, w, w, w]);
      const unweighted = normOf(await post(plain));
      expect(Math.abs(normOf(await post({ ...plain, weight })) / w / unweighted - 1)).toBeLessThan(tolerance);
      const partials = await Promise.all(
        [0, 2].map(async (start) => {
          const logits = tensor(
            dtype,
            rows.map((row) => row.slice(start, start + 2)),
          );
          const request = { vocab_start: start, vocab_size: 4, label, weight, options: smoothed, logits };
          return (await post(request, '/partials')).body;
        }),
      );
      expect(Math.abs(normOf(await post({ partials }, '/combine')) / w / unweighted - 1)).toBeLessThan(tolerance);
    });

    test('whose elements are returned as far as their dtype has them', async () => {
      const returned = { ...options, outputs: ['gradient'] };
      const masks = [1e25, 1e160, 1e-200];
      const answer = await post({
        ...{ label, options: returned, input_mask: asFloat64(masks) },
        logits: tensor(dtype, rows),
      });
      const wanted = rows.flatMap((row, r) =>
        Array.from(gradient(row, new Float64Array(4).with(label[r]!, 1)), (g) => masks[r]! * g),
      );
      const rounded = decode(dtype, encode(dtype, wanted));
      gradientOf(answer).forEach((g, c) => {
        const expected = rounded[c]!;
        if (!Number.isFinite(expected) || expected === 0) expect(g).toBe(expected);
        else expect(Math.abs(g / expected - 1)).toBeLessThan(dtype === 'bfloat16' ? 2 ** -7 : 2e-6);
      });
      expect(Math.abs(normOf(answer) / Math.hypot(...wanted.map((g) => g / 1e160)) / 1e160 - 1)).toBeLessThan(
        tolerance,
      );
    });
  });

  test('keep the norm over shards where smoothing leaves next to nothing of the gradient', async () => {
    const row = Array.from({ length: 64 }, (_, c) => 1e-9 * Math.sin(c));
    const options = { ...differentiated, label_smoothing: 1, outputs: [] };
    const whole = normOf(await post({ label: [5], options, logits: tensor('float64', [row]) }));
    const partials = await Promise.all(
      [0, 16, 32, 48].map(async (start) => {
        const logits = tensor('float64', [row.slice(start, start + 16)]);
        return (await post({ vocab_start: start, vocab_size: 64, label: [5], options, logits }, '/partials')).body;
      }),
    );
    expect(whole).toBeGreaterThan(1e-11);
    expect(Math.abs(normOf(await post({ partials }, '/combine')) / whole - 1)).toBeLessThan(1e-5);
  });

  test('keep the norm over shards where the label outweighs the other classes of its shard by 190 orders', async () => {
    const logits = [-2, -3, -1e20, 6];
    const options = { ...differentiated, reduction: 'sum', label_smoothing: 0.5, outputs: [] };
    const weight = [1e-4, 1e-40, 2.75e95, 6e-94];
    const cut = (start: number, end: number): object => ({
      ...{ vocab_start: start, vocab_size: 4, label: [2], options },
      logits: tensor('float32', [logits.slice(start, end)]),
      weight: { ...tensor('float64', [weight.slice(start, end)]), shape: [end - start] },
    });
    const partials = await Promise.all(
      [cut(0, 2), cut(2, 4)].map(async (request) => (await post(request, '/partials')).body),
    );
    const s = 1 / (1 + Math.exp(-8) + Math.exp(-9));
    const a = 2.75e95 * (0.5 + 0.5 / 4);
    const wanted = a * Math.hypot(1, s, s * Math.exp(-8), s * Math.exp(-9));
    expect(Math.abs(normOf(await post({ partials }, '/combine')) / wanted - 1)).toBeLessThan(2e-6);
  });

  test('find the norm over shards where the label is in a shard of nothing but −Inf', async () => {
    const options = { ...differentiated, outputs: [] };
    const partials = await Promise.all(
      [
        [1, 1],
        [-Infinity, -Infinity],
      ].map(async (logits, k) => {
        const request = { vocab_start: 2 * k, vocab_size: 4, label: [2], options, logits: tensor('float32', [logits]) };
        return (await post(request, '/partials')).body;
      }),
    );
    const answer = await post({ partials }, '/combine');
    expect(answer.body.loss).toBe(Infinity);
    expect(normOf(answer)).toBeCloseTo(Math.hypot(1, 0.5, 0.5), 12);
  });

  test.each([
    ['four combined shards', 4],
    ['the shards of model_parallel', 1],
  ])('differentiate ten maxima at 1e20 over %s', async (_over, shards) => {
    const row = Array.from({ length: 40 }, (_, c) => (c % 4 === 1 ? 1e20 : 0));
    const options = { semantics: 'torch', check_for_nan_in_loss_and_grad: true };
    if (shards === 1) {
      const logits = tensor('float64', [row]);
      const parallel = { parallel_config: { model_parallel: 4 }, metrics: ['ece'] };
      const answer = await post({ label: [5], options: { ...options, ...parallel }, logits });
      expect(normOf(answer)).toBeCloseTo(0.948683, 6);
      expect(answer.body.metrics.ece).toBeCloseTo(0.1, 14);
      return;
    }
    const partials = await Promise.all(
      [0, 10, 20, 30].map(async (vocab_start) => {
        const logits = tensor('float64', [row.slice(vocab_start, vocab_start + 10)]);
        const request = { vocab_start, vocab_size: 40, label: [5], options, logits };
        return (await post(request, '/partials')).body;
      }),
    );
    const answer = await post({ partials }, '/combine');
    expect(normOf(answer)).toBeCloseTo(0.948683, 6);
    expect(answer.body.loss).toBeCloseTo(Math.log(10), 14);
  });
});
