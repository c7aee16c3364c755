import { describe, expect, test } from 'vitest';
import { LEFT_OUT, Odd } from '../../kernels/abi.ts';
import { Kernel } from '../../kernels/kernel.ts';
import type { Variant } from '../../kernels/instance.ts';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import { partOf } from '../lists.ts';
import { exactSum, logSoftmax, prediction } from '../reference.ts';
import { ROWS, decode, encode, seededRandom } from '../rows.ts';

const VARIANTS: readonly Variant[] = ['strict', 'relaxed'];
const CLASSES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 33, 255, 256, 257, 1025];

/** Kinds of rows of probabilities, made for a number of classes and a class. */
const PROBABILITIES: Record<string, (classes: number, y: number, random: () => number) => number[]> = {
  'one-hot': (C, y) => Array.from({ length: C }, (_, c) => Number(c === y)),
  'all but one-hot': (C, y) => Array.from({ length: C }, (_, c) => (c === y ? 0.998 : 0.002 / C)),
  random: (C, _y, random) => Array.from({ length: C }, () => (2 * random()) / C),
  'sparse, with a weight on the last class': (C, _y, random) =>
    Array.from({ length: C }, (_, c) => (c % 3 === 0 || c === C - 1 ? random() : 0)),
  'all 0': (C) => Array.from({ length: C }, () => 0),
};

interface Row {
  name: string;
  logits: Float64Array;
  p: Float64Array;
  bytes: Uint8Array<ArrayBuffer>;
  probabilityBytes: Uint8Array<ArrayBuffer>;
}

/** Every kind of row, with two kinds of probabilities in rotation. */
function makeRows(dtype: FloatDType, classes: number): Row[] {
  const random = seededRandom(classes);
  const kinds = Object.entries(PROBABILITIES);
  return Object.entries(ROWS).flatMap(([name, make], k) =>
    [0, 1].map((turn) => {
      const y = Math.floor(classes * random());
      const [kind, makeProbabilities] = kinds[(k + turn) % kinds.length]!;
      const bytes = encode(dtype, make(classes, y, random));
      const probabilityBytes = encode(dtype, makeProbabilities(classes, y, random));
      return {
        name: `${name}, ${kind}`,
        logits: decode(dtype, bytes),
        p: decode(dtype, probabilityBytes),
        ...{ bytes, probabilityBytes },
      };
    }),
  );
}

/** −Σ v_c·p_c·log s_c, without terms of v_c·p_c = 0. */
function crossEntropy({ logits, p }: Row, v = new Float64Array(p.length).fill(1)): number {
  const logS = logSoftmax(logits);
  if (Number.isNaN(logS[0])) return Number.NaN;
  const terms = logS.map((value, c) => {
    const mass = v[c]! * p[c]!;
    return mass === 0 ? 0 : -mass * value;
  });
  return exactSum(terms);
}

describe.each(KERNEL_DTYPES)('class probabilities of %s', (dtype) => {
  const kernels = VARIANTS.map((variant) => Kernel.load(variant));
  const relative = dtype === 'float64' ? 1e-12 : 1e-5;
  const absolute = dtype === 'float64' ? 1e-12 : 2e-6;

  test.each(partOf(CLASSES, 3))('cross-entropy of %i classes agrees with the float64 reference', (classes) => {
    const rows = makeRows(dtype, classes);
    const random = seededRandom(7);
    const weights = Float64Array.from({ length: classes }, (_, c) => (c % 4 === 3 ? 0 : 2 * random()));
    for (const kernel of kernels) {
      kernel.place({
        ...{ dtype, classes, weights, targets: new Int32Array(rows.length) },
        logits: Buffer.concat(rows.map((row) => row.bytes)),
        probabilities: { dtype, data: Buffer.concat(rows.map((row) => row.probabilityBytes)) },
      });
      kernel.forward();
      const { nll, weighted } = kernel.crossEntropy();
      const wrong = rows.flatMap((row, r) =>
        [
          { got: nll[r]!, wanted: crossEntropy(row), mass: exactSum(row.p) },
          {
            got: weighted![r]!,
            wanted: crossEntropy(row, weights),
            mass: exactSum(row.p.map((p, c) => p * weights[c]!)),
          },
        ].flatMap(({ got, wanted, mass }) => {
          const error = Math.abs(got - wanted);
          // Rounding of products with large differences of logits, such as ±65504.
          const rounding = 2 ** -50 * Math.abs(wanted);
          const ok = Number.isFinite(wanted)
            ? error <= absolute * mass + rounding &&
              error <= relative * Math.max(Math.abs(wanted), 1e-6 * mass) + rounding
            : Object.is(got, wanted);
          return ok ? [] : [{ variant: kernel.variant, name: row.name, got, wanted }];
        }),
      );
      expect(wrong).toEqual([]);
    }
  });

  test.each(partOf(CLASSES, 3))(
    'of %i classes have their sums, their masses and their most probable class',
    (classes) => {
      const rows = makeRows(dtype, classes);
      const weights = Float64Array.from({ length: classes }, (_, c) => (c % 3) / 4);
      for (const kernel of kernels) {
        kernel.place({
          ...{ dtype, classes, weights, targets: new Int32Array(rows.length) },
          logits: Buffer.concat(rows.map((row) => row.bytes)),
          probabilities: { dtype, data: Buffer.concat(rows.map((row) => row.probabilityBytes)) },
        });
        const { targets, sums, masses, odd } = kernel.probabilities();
        rows.forEach(({ name, p }, r) => {
          expect(targets[r], name).toBe(prediction(p));
          expect(sums[r], name).toBeCloseTo(exactSum(p), 12);
          expect(masses[r], name).toBeCloseTo(exactSum(p.map((value, c) => value * weights[c]!)), 12);
          expect(odd[r], name).toBe(Math.abs(exactSum(p) - 1) > 1e-3 ? Odd.notOne : 0);
        });
      }
    },
  );
});

test.each([
  ['nothing', [0.25, 0.75], 0],
  ['nothing within a thousandth of 1', [0.5, 0.5009], 0],
  ['the sum', [0.5, 0.502], Odd.notOne],
  ['a negative one', [-0.25, 1.25], Odd.negative],
  ['both', [-0.25, 1], Odd.notOne | Odd.negative],
  ['a NaN', [Number.NaN, 1], Odd.nonFinite],
  ['an infinite one', [Infinity, 1], Odd.nonFinite],
])('%s is odd about %j', (_what, p, bits) => {
  const kernel = Kernel.load();
  for (const dtype of ['float32', 'float64'] as const) {
    const targets = new Int32Array(1);
    const probabilities = { dtype, data: encode(dtype, p) };
    kernel.place({ dtype: 'float32', classes: 2, logits: new Uint8Array(8), targets, probabilities });
    expect(kernel.probabilities().odd).toEqual(Int32Array.of(bits));
  }
});

test('the first of equally probable classes takes the place of the target, and a row left out stays so', () => {
  const kernel = Kernel.load();
  const data = encode('float64', [0.2, 0.4, 0.4, 1, 0, 0]);
  kernel.place({
    ...{ dtype: 'float32', classes: 3, logits: new Uint8Array(24) },
    targets: Int32Array.of(0, LEFT_OUT),
    probabilities: { dtype: 'float64', data },
  });
  expect(kernel.probabilities().targets).toEqual(Int32Array.of(1, LEFT_OUT));
  expect(kernel.forward().lse[1]).toBe(0);
  expect(kernel.crossEntropy().nll[1]).toBe(0);
});

test('probabilities whose bytes do not fit the block are refused', () => {
  const probabilities = { dtype: 'float64', data: new Uint8Array(8) } as const;
  const block = { dtype: 'float32', classes: 2, logits: new Uint8Array(8), targets: new Int32Array(1) } as const;
  expect(() => Kernel.load().place({ ...block, probabilities })).toThrow(RangeError);
});
