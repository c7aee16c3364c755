/** Losses and gradient norms near the ends of float64's range, whole and over shards, against 60-digit arithmetic. */
import { Decimal } from 'decimal.js';
import { describe, expect, test } from 'vitest';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { partOf } from '../lists.ts';
import { d } from '../precision/exact.ts';
import { encode } from '../rows.ts';
import { MSGPACK, Service } from '../service.ts';
import type { Answer } from '../service.ts';

interface Case {
  logits: number[];
  /** A class index, or the probabilities of all classes. */
  label: number | number[];
  weight?: number[];
  mask?: number;
  smoothing?: number;
}

const tensor = (dtype: FloatDType, shape: number[], values: number[]): Tensor => ({
  ...{ dtype, shape },
  data: encode(dtype, values),
});

/** The loss, the sum of the magnitudes of its terms, and the gradient norm of one row under `reduction: "sum"`. */
function exact({ logits, label, weight, mask = 1, smoothing = 0 }: Case): {
  loss: Decimal;
  size: Decimal;
  norm: Decimal;
} {
  const sum = (values: Decimal[]): Decimal => values.reduce((total, value) => total.plus(value), new Decimal(0));
  const x = logits.map(d);
  const top = Decimal.max(...x);
  const e = x.map((value) => (value.minus(top).lt(-5000) ? new Decimal(0) : value.minus(top).exp()));
  const lse = top.plus(sum(e).ln());
  const s = e.map((value) => value.div(sum(e)));
  const q = x.map((_, c) => {
    const p = typeof label === 'number' ? d(c === label ? 1 : 0) : d(label[c]!);
    const own = d(weight?.[typeof label === 'number' ? label : c] ?? 1);
    const prior = d(weight?.[c] ?? 1)
      .times(d(smoothing))
      .div(x.length);
    return p
      .times(own)
      .times(d(1).minus(d(smoothing)))
      .plus(prior);
  });
  const total = sum(q);
  const gradient = s.map((share, c) => total.times(share).minus(q[c]!));
  const terms = q.map((value, c) => value.times(lse.minus(x[c]!)).times(d(mask)));
  return {
    loss: sum(terms),
    size: sum(terms.map((term) => term.abs())),
    norm: sum(gradient.map((g) => g.times(g)))
      .sqrt()
      .times(d(mask)),
  };
}

describe.each(['strict', 'relaxed'] as const)('the %s kernels', (kernel) => {
  const service = Service.start({ kernel });

  test('a large gradient keeps its product with a slope of softcap below float64', async () => {
    const request = {
      options: { reduction: 'sum', softcap: 1.4, outputs: ['gradient'] },
      ...{ label: [1], weight: { dtype: 'float64', shape: [2], data: [1e200, 1e200] } },
      logits: { dtype: 'float64', shape: [1, 2], data: [700, 0] },
    };
    const { body } = await service.post(request);
    const [first] = body.outputs['gradient']!.data as unknown as number[];
    // 1e200·s_0·sech²(700 / 1.4), computed with 50 digits. sech² alone is 2e-434.
    expect(first! / 1.628740978639799e-234).toBeCloseTo(1, 11);
  });

  const post = async (request: object, path = ''): Promise<Answer> => {
    const encoded = { type: MSGPACK, headers: { accept: MSGPACK }, path: `/v1/cross-entropy${path}` };
    const answer = await service.post(request, encoded);
    expect(answer.status, JSON.stringify(answer.body)).toBe(200);
    return answer;
  };

  function requestOf(dtype: FloatDType, given: Case, [first, end]: [number, number]): object {
    const { logits, label, weight, mask, smoothing } = given;
    const classes = end - first;
    return {
      label: typeof label === 'number' ? [label] : tensor('float64', [1, classes], label.slice(first, end)),
      ...(weight && { weight: tensor('float64', [classes], weight.slice(first, end)) }),
      ...(mask !== undefined && { input_mask: tensor('float64', [1], [mask]) }),
      options: {
        ...{ semantics: 'torch', reduction: 'sum', check_for_nan_in_loss_and_grad: true },
        ...(smoothing !== undefined && { label_smoothing: smoothing }),
      },
      logits: tensor(dtype, [1, classes], logits.slice(first, end)),
    };
  }

  const combine = async (dtype: FloatDType, given: Case): Promise<Answer> => {
    const size = given.logits.length;
    const partials = await Promise.all(
      given.logits.map(async (_, k) => {
        const shard = { vocab_start: k, vocab_size: size, ...requestOf(dtype, given, [k, k + 1]) };
        return (await post(shard, '/partials')).body;
      }),
    );
    return post({ partials }, '/combine');
  };

  const MAX = Number.MAX_VALUE;
  const cases: [string, Case][] = [
    [
      'weights that cancel under smoothing',
      { logits: [0, 0, 0], label: 0, smoothing: 0.1, weight: [1, 1e160, -1e160] },
    ],
    ['weights that cancel in a mass', { logits: [0, 0], label: [0.5, 0.5], weight: [1e160, -1e160] }],
    ['probabilities that cancel', { logits: [0, 0], label: [1e160, -1e160] }],
    ['weights that nearly cancel', { logits: [1, 0, 2], label: 2, smoothing: 0.5, weight: [3e100, -3e100, 1e-3] }],
    ['a large weight of no probability', { logits: [0, 0, 1], label: [0.5, 0.5, 0], weight: [1, -1, 1e160] }],
    ['the greatest mask', { logits: [0, 0], label: 0, mask: MAX }],
    ['the greatest mask and smoothing', { logits: [0, 0, 1], label: 0, mask: 1e308, smoothing: 0.1 }],
    ['weights whose sum overflows', { logits: [0, 0], label: 0, smoothing: 0.1, weight: [1.2e308, 1.2e308] }],
    ['three such weights', { logits: [0, 0, 1], label: 2, smoothing: 0.1, weight: [1.2e308, 1.2e308, 1.2e308] }],
    [
      'weights of both signs whose partial sums overflow',
      {
        ...{ logits: [0, 1, 0, 1], label: 1, smoothing: 0.2 },
        weight: [1.2e308, 1.2e308, -1.2e308, -1e308],
      },
    ],
    ...[1e160, 1e-200].flatMap((size): [string, Case][] => [
      [`a mask of ${size}`, { logits: [0.5, 1, -1, 0.25], label: 0, mask: size }],
      [`a mask of ${size} and smoothing`, { logits: [0.5, 1, -1, 0.25], label: 0, mask: size, smoothing: 0.1 }],
      [`weights of ${size}`, { logits: [0.5, 1, -1], label: 0, weight: [size, 2 * size, size], smoothing: 0.1 }],
    ]),
  ];

  const close = (got: number | undefined, wanted: Decimal, dtype: FloatDType, size = wanted): void => {
    const ratio = d(got!).minus(wanted).div(size).abs();
    expect(ratio.lt(dtype === 'float64' ? 1e-12 : 2e-6), `${got}, expected ${wanted.toPrecision(17)}`).toBe(true);
  };

  describe.each(partOf(['float32', 'float16', 'float64', 'bfloat16'] as const, 2))('of %s', (dtype) => {
    test.each(cases)('keep the loss and the norm with %s', async (_name, given) => {
      const { loss, size, norm } = exact(given);
      const whole = await post(requestOf(dtype, given, [0, given.logits.length]));
      const combined = Array.isArray(given.label) ? [] : [await combine(dtype, given)];
      for (const { body } of [whole, ...combined]) {
        close(body.loss, loss, dtype, size);
        close(body.diagnostics.gradient!.norm, norm, dtype);
        expect(body.diagnostics.gradient!.finite).toBe(true);
      }
    });
  });

  test.each([1.7e308, 8e307])('keep the smoothed loss of float64 logits %d above and below 0', async (far) => {
    const given = { logits: [far, -far], label: 0, smoothing: 0.1 };
    const { loss } = exact(given);
    for (const { body } of [await post(requestOf('float64', given, [0, 2])), await combine('float64', given)]) {
      close(body.loss, loss, 'float64');
      expect(body.diagnostics.causes).toEqual([]);
    }
  });

  test('answer Infinity where the loss of float64 logits is beyond float64', async () => {
    const given = { logits: [1.7e308, -1.7e308], label: 1, smoothing: 0.1 };
    for (const { body } of [await post(requestOf('float64', given, [0, 2])), await combine('float64', given)]) {
      expect(body.loss).toBe(Infinity);
    }
  });

  test.each([
    ['lse²', 1e155, 1, 1e306],
    ['λ·lse²', 1e157, 1e-5, 1e305],
  ])('keep a z-loss whose %s is beyond float64', async (_name, lse, mask, zLoss) => {
    const input_mask = tensor('float64', [1], [mask]);
    const logits = tensor('float64', [1, 2], [lse, 0]);
    const options = { lse_square_scale: 1e-4, reduction: 'sum', outputs: ['per_token_loss'] };
    const { body } = await post({ logits, label: [0], input_mask, options });
    expect(body.z_loss / zLoss).toBeCloseTo(1, 12);
    expect(body.loss! / zLoss).toBeCloseTo(1, 12);
  });
});
