import { describe, expect, test } from 'vitest';
import { NO_TARGET } from '../../kernels/abi.ts';
import { Kernel } from '../../kernels/kernel.ts';
import { classUnit } from '../../kernels/class-unit.ts';
import type { Variant } from '../../kernels/instance.ts';
import { evaluatedDType, isInPlace, transformed } from '../../kernels/transform.ts';
import type { Transform } from '../../kernels/transform.ts';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import type { KernelDType } from '../../src/tensor/dtype.ts';
import { partOf } from '../lists.ts';
import { entropy, exactSum, gradient, logSoftmax, lse, nll, prediction, targetRank, uniformNll } from '../reference.ts';
import { ROWS, decode, encode, seededRandom } from '../rows.ts';

const VARIANTS: readonly Variant[] = ['strict', 'relaxed'];
const KERNELS = VARIANTS.map((variant) => Kernel.load(variant));
const CLASSES = partOf([17, 1, 2, 3, 5, 257, 8, 1025], 5);

const TRANSFORMS: readonly Transform[] = partOf(
  [
    ...[1e-6, 0.5, 1 / 0.7, 3, 100].map((scale) => ({ scale, cap: undefined })),
    ...[1e-3, 5, 30, 64, 300].map((cap) => ({ scale: 1, cap })),
    { scale: 0.1, cap: 5 },
    { scale: 40, cap: 30 },
    { scale: 1e-30, cap: undefined },
  ],
  2,
);

/** Error of a logit that softcap transforms in float32, relative to its distance from the reference of the row. */
const DEPTH = 5e-7;

/** Promised errors, to which the errors of softcap in float32 are added. */
const PROMISE = {
  float32: { absolute: 2e-6, relative: 1e-5, slope: 5e-6 },
  float64: { absolute: 1e-12, relative: 1e-12, slope: 1e-12 },
} as const;

const isCapped = (dtype: KernelDType, transform: Transform): boolean =>
  transform.cap !== undefined && evaluatedDType(dtype, transform) !== 'float64';

interface Row {
  kind: string;
  target: number;
  bytes: Uint8Array<ArrayBuffer>;
  given: Float64Array;
  x: Float64Array;
  /** Mean error of a logit, weighted by the softmax; 0 in float64 and for a scale. */
  ofDepth: number;
}

function makeRows(dtype: KernelDType, classes: number, transform: Transform): Row[] {
  const random = seededRandom(classes);
  const capped = isCapped(dtype, transform);
  return Object.entries(ROWS).map(([kind, make]) => {
    const target = Math.floor(classes * random());
    const bytes = encode(dtype, make(classes, target, random));
    const given = decode(dtype, bytes);
    const x = given.map((logit) => transformed(logit, transform));
    const most = Math.tanh(2) * (transform.cap ?? 0);
    const reference = Math.max(-most, Math.min(most, Math.max(...x)));
    const shares = logSoftmax(x).map(Math.exp);
    const ofDepth = capped ? DEPTH * exactSum(x.map((value, c) => shares[c]! * Math.abs(value - reference))) : 0;
    return { kind, target, bytes, given, x, ofDepth };
  });
}

const place = (kernel: Kernel, dtype: KernelDType, rows: Row[], transform: Transform, weights?: Float64Array): void =>
  kernel.place({
    dtype,
    classes: rows[0]!.x.length,
    logits: Buffer.concat(rows.map(({ bytes }) => bytes)),
    targets: Int32Array.from(rows, ({ target }) => target),
    transform,
    weights,
  });

/** Collects results whose errors exceed their bounds. Non-finite results must be equal. */
class Comparison {
  readonly wrong: string[] = [];

  close(actual: number, expected: number, bound: number, name: string): void {
    const isClose = Object.is(actual, expected) || Math.abs(actual - expected) <= bound;
    if (!isClose) this.wrong.push(`${name} is ${actual}, expected ${expected} ± ${bound}`);
  }
}

describe.each(KERNEL_DTYPES)('%s', (dtype) => {
  describe.each(TRANSFORMS)('scale $scale, cap $cap', (transform) => {
    const { absolute, relative, slope } =
      PROMISE[evaluatedDType(dtype, transform) === 'float64' ? 'float64' : 'float32'];

    test.each(CLASSES)('results of %i classes are those of the transformed logits', (classes) => {
      const rows = makeRows(dtype, classes, transform);
      const comparison = new Comparison();
      for (const kernel of KERNELS) {
        place(kernel, dtype, rows, transform);
        const block = kernel.forward();
        const [entropies, uniform, ranks] = [kernel.column('entropy'), kernel.uniformNll(), kernel.rank()];
        rows.forEach(({ kind, target, given, x, ofDepth }, r) => {
          const close = (actual: number, expected: number, bound: number, name: string): void =>
            comparison.close(actual, expected, bound, `${kernel.variant}: ${kind}, ${name}`);
          const [sum, loss] = [lse(x), nll(x, target)];
          const rounding = 2 ** -50 * Math.abs(sum);
          const bound = Math.min(absolute, relative * Math.max(loss, 1e-6));
          close(block.lse[r]!, sum, absolute + ofDepth + rounding, 'lse');
          close(block.nll[r]!, loss, bound + ofDepth + rounding, 'nll');
          close(
            block.targetLogit[r]!,
            x[target]!,
            2 ** -50 * Math.max(transform.cap ?? 0, Math.abs(x[target]!)),
            'target',
          );
          const count = (value: number): number => given.filter((logit) => Object.is(logit, value)).length;
          const counts = [block.nanCount, block.posInfCount, block.negInfCount].map((column) => column[r]);
          expect(counts).toEqual([Number.NaN, Infinity, -Infinity].map(count));
          close(block.maximum[r]! + 0, Math.max(-Infinity, ...given.filter(Number.isFinite)) + 0, 0, 'maximum');
          close(x[ranks.predictions[r]!]!, x[prediction(x)]!, rounding, 'prediction');
          // Where softcap is flat, different logits may be equal in float64, or differ by a last place.
          const near = x.filter((value) => Math.abs(value - x[target]!) <= 2 ** -52 * (transform.cap ?? 0)).length;
          const ties = Math.abs(given[target]!) * transform.scale > 9 * (transform.cap ?? Infinity) ? near : 0;
          close(ranks.targetRank[r]!, targetRank(x, target), ties, 'rank');
          close(kernel.rankOfRow(r), ranks.targetRank[r]!, 0, 'rank of the row');
          if (!Number.isFinite(sum)) return;

          close(block.reference[r]! + block.logSum[r]!, block.lse[r]!, rounding, 'reference');
          close(ranks.maximum[r]!, Math.max(...x), 1e-14 * Math.abs(Math.max(...x)), 'largest');
          const spread = exactSum(x.map((value) => Math.abs(sum - value)));
          const error = (absolute + ofDepth) * classes + (isCapped(dtype, transform) ? DEPTH : 1e-12) * spread;
          close(uniform[r]! * classUnit(classes), uniformNll(x), error, 'uniform nll');
          const h = entropy(x);
          close(entropies[r]!, h, absolute + 2 * ofDepth * (1 + Math.log(classes)) + 1e-12 * h, 'entropy');
        });
      }
      expect(comparison.wrong).toEqual([]);
    });

    test.each([2, 5, 257])('the gradient over %i classes is with respect to the received logits', (classes) => {
      const rows = makeRows(dtype, classes, transform);
      const filled = (value: number): Float64Array => new Float64Array(rows.length).fill(value);
      const computed = evaluatedDType(dtype, transform) === 'float64' ? 'float64' : 'float32';
      const comparison = new Comparison();
      for (const kernel of KERNELS) {
        place(kernel, dtype, rows, transform);
        kernel.forwardWithGradient({ t: filled(0.9), b: filled(0.1 / classes), z: filled(2e-3) });
        const g = decode(computed, kernel.gradient(computed));
        rows.forEach(({ kind, target, given, x }, r) => {
          const q = new Float64Array(classes).fill(0.1 / classes);
          q[target] = q[target]! + 0.9;
          const ofX = gradient(x, q, 2e-3);
          const largest = Math.max(...ofX.map(Math.abs));
          // Far below the maximum, the softmax has the error of its logit.
          const far = isCapped(dtype, transform) ? 4 * DEPTH * transform.cap! : 0;
          ofX.forEach((value, c) => {
            const u = transform.cap === undefined ? 0 : (transform.scale * given[c]!) / transform.cap;
            const derivative = transform.scale / Math.cosh(u) ** 2;
            const bound =
              (absolute * largest + (far + slope) * Math.abs(value)) * derivative +
              (1e-36 + 1e-18 * derivative) * transform.scale;
            const name = `${kernel.variant}: ${kind}, element ${c}`;
            comparison.close(g[r * classes + c]!, value * derivative, bound, name);
          });
        });
      }
      expect(comparison.wrong.slice(0, 20)).toEqual([]);
    });
  });

  test('bits of a row depend on no other row, nor on the place in the block', () => {
    for (const transform of [
      { scale: 0.7, cap: undefined },
      { scale: 1.3, cap: 30 },
    ]) {
      const rows = makeRows(dtype, 261, transform);
      for (const kernel of KERNELS) {
        place(kernel, dtype, rows, transform);
        const { lse: together } = kernel.forward();
        rows.forEach((row, r) => {
          place(kernel, dtype, [row], transform);
          expect(kernel.forward().lse[0], `${kernel.variant}: ${row.kind}`).toBe(together[r]);
        });
      }
    }
  });
});

test.each([0.3, 1 / 0.7, 2, 7])('rows at offsets of ±1e4 keep 2e-6 in lse and nll with a scale of %d', (scale) => {
  const random = seededRandom(5);
  const classes = 4099;
  const comparison = new Comparison();
  for (const offset of [-1e4, 1e4]) {
    const row = Array.from({ length: classes }, () => offset + (10 * random() - 5) / scale);
    const logits = encode('float32', row);
    const x = decode('float32', logits).map((value) => value * scale);
    for (const kernel of KERNELS) {
      const transform = { scale, cap: undefined };
      kernel.place({ dtype: 'float32', classes, logits, targets: Int32Array.of(17), transform });
      const block = kernel.forward();
      comparison.close(block.lse[0]!, lse(x), 2e-6, `${kernel.variant}, lse`);
      comparison.close(block.nll[0]!, nll(x, 17), 2e-6, `${kernel.variant}, nll`);
    }
  }
  expect(comparison.wrong).toEqual([]);
});

test('ranks where softcap is flat are those of float64: equal logits by their index', () => {
  // In float64, tanh(x / 30) is 1 for 700 and 800, but not for 250.
  const row = [250, 700, 800, -800, -700];
  const x = row.map((logit) => transformed(logit, { scale: 1, cap: 30 }));
  for (const kernel of KERNELS) {
    const logits = encode('float32', [...row, ...row, ...row, ...row]);
    const targets = Int32Array.of(2, 4, 0, NO_TARGET);
    kernel.place({ dtype: 'float32', classes: 5, logits, targets, transform: { scale: 1, cap: 30 } });
    kernel.forward();
    const { predictions, targetRank: ranks } = kernel.rank();
    expect([...predictions]).toEqual([1, 1, 1, 1]);
    expect([...ranks]).toEqual([targetRank(x, 2), targetRank(x, 4), targetRank(x, 0), -1]);
    expect([0, 1, 2].map((r) => kernel.rankOfRow(r))).toEqual([1, 4, 2]);
  }
});

test('parts of the columns of capped rows have the counts of their logits', () => {
  const logits = encode('float32', [Number.NaN, 1, -Infinity, 2, Infinity, 3]);
  for (const kernel of KERNELS) {
    kernel.place({
      ...{ dtype: 'float32', classes: 6, logits, targets: Int32Array.of(3) },
      transform: { scale: 2, cap: 30 },
    });
    const first = kernel.forwardColumns(0, 3, Int32Array.of(NO_TARGET));
    expect([first.nanCount[0], first.posInfCount[0], first.negInfCount[0], first.maximum[0]]).toEqual([1, 0, 1, 1]);
    const second = kernel.forwardColumns(3, 3, Int32Array.of(0));
    expect([second.nanCount[0], second.posInfCount[0], second.negInfCount[0], second.maximum[0]]).toEqual([0, 1, 0, 3]);
    expect(second.targetLogit[0]).toBeCloseTo(transformed(2, { scale: 2, cap: 30 }), 13);
    expect(second.lse[0]).toBeCloseTo(lse([2, Infinity, 3].map((v) => transformed(v, { scale: 2, cap: 30 }))), 5);
  }
});

test('float32 takes scales and caps within its range, float64 the others', () => {
  const dtypeOf = (scale: number, cap?: number): string => evaluatedDType('bfloat16', { scale, cap });
  expect([dtypeOf(0.5), dtypeOf(1e-26), dtypeOf(1e26)]).toEqual(['bfloat16', 'float64', 'float64']);
  expect([dtypeOf(1, 30), dtypeOf(1, 64.1), dtypeOf(1, 1e-7), dtypeOf(1e24, 1e-3)]).toEqual([
    'float32',
    'float64',
    'float64',
    'float64',
  ]);
  expect(evaluatedDType('float64', { scale: 1, cap: 30 })).toBe('float64');
  expect(isInPlace('bfloat16', undefined)).toBe(true);
  expect(isInPlace('bfloat16', { scale: 0.5, cap: undefined })).toBe(true);
  expect(isInPlace('float64', { scale: 0.5, cap: undefined })).toBe(false);
  expect(isInPlace('bfloat16', { scale: 1, cap: 30 })).toBe(false);
});

describe.each(VARIANTS)('with softcap (%s)', (variant) => {
  const kernel = Kernel.load(variant);
  const single = (x: number[]): Uint8Array<ArrayBuffer> => new Uint8Array(Float32Array.from(x).buffer);

  test.each([
    { x: [100, -1000], cap: 64, scale: 2 },
    { x: [3, 1, -2, 0.5, 7], cap: 30, scale: 1 },
    { x: [50, 49, 3], cap: 15, scale: 0.7 },
  ])('probabilities of one class have the loss of that class: %j', ({ x, ...transform }) => {
    const label = x.indexOf(Math.max(...x));
    const block = { dtype: 'float32', classes: x.length, logits: single(x), targets: Int32Array.of(label) } as const;
    kernel.place({ ...block, transform });
    const hard = kernel.forward().nll[0]!;
    const data = single(x.map((_, c) => Number(c === label)));
    kernel.place({ ...block, transform, probabilities: { dtype: 'float32', data } });
    kernel.forward();
    const soft = kernel.crossEntropy().nll[0]!;
    expect(soft).toBeGreaterThanOrEqual(0);
    expect(Math.abs(soft - hard)).toBeLessThanOrEqual(1e-12 * hard + 1e-20);
  });

  test('the smoothing of a single class is 0', () => {
    const transform = { scale: 1, cap: 64 };
    kernel.place({ dtype: 'float32', classes: 1, logits: single([37]), targets: Int32Array.of(0), transform });
    kernel.forward();
    expect(kernel.uniformNll()[0]).toBe(0);
  });
});
