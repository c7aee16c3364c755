import { describe, expect, test } from 'vitest';
import { LEFT_OUT, NO_TARGET } from '../../kernels/abi.ts';
import { Kernel } from '../../kernels/kernel.ts';
import type { Variant } from '../../kernels/instance.ts';
import type { KernelBlock } from '../../kernels/block.ts';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import { partOf } from '../lists.ts';
import { exactSum, gradient } from '../reference.ts';
import { ROWS, decode, encode, seededRandom } from '../rows.ts';

const VARIANTS: readonly Variant[] = ['strict', 'relaxed'];
const CLASSES = partOf([...Array.from({ length: 20 }, (_, k) => k + 1), 31, 32, 33, 255, 256, 257, 1000, 1025], 5);

/** Numbers of classes around the lengths of vectors and tiles. */
const FEWER_CLASSES = partOf([1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 257], 3);

/** Error bound of an element, relative to the largest element of the row. */
const BOUND = { float16: 2e-6, bfloat16: 2e-6, float32: 2e-6, float64: 1e-12 } as const;

/** Coefficients of a row's gradient, and flags for class weights and class probabilities. */
interface Plan {
  t: number;
  b: (classes: number) => number;
  z: number;
  weighted?: true;
  soft?: true;
}

const none = (): number => 0;
const PLANS: Record<string, Plan> = {
  'class indices': { t: 1, b: none, z: 0 },
  'a mean over rows': { t: 1 / 7, b: none, z: 0 },
  'label smoothing': { t: 0.9, b: (C) => 0.1 / C, z: 0 },
  'a z-loss': { t: 1, b: none, z: 2e-3 },
  'class weights and label smoothing': { t: 0.7, b: (C) => 0.1 / C, z: 0, weighted: true },
  'class weights, label smoothing and a z-loss': { t: 0.7, b: (C) => 0.3 / C, z: 2e-3, weighted: true },
  'class probabilities': { t: 1, b: none, z: 0, soft: true },
  'class probabilities, weights, smoothing and a z-loss': {
    ...{ t: 0.9, b: (C) => 0.1 / C, z: 2e-3 },
    ...{ weighted: true, soft: true },
  },
};

/** Plans that are tested for all numbers of classes. */
const THOROUGH = new Set(['class indices', 'class probabilities, weights, smoothing and a z-loss']);

interface Row {
  kind: string;
  target: number;
  bytes: Uint8Array<ArrayBuffer>;
  logits: Float64Array;
}

function makeRows(dtype: FloatDType, classes: number): Row[] {
  const random = seededRandom(classes);
  return Object.entries(ROWS).map(([kind, make]) => {
    const target = Math.floor(classes * random());
    const bytes = encode(dtype, make(classes, target, random));
    return { kind, target, bytes, logits: decode(dtype, bytes) };
  });
}

const targetsOf = (rows: Row[]): Int32Array => Int32Array.from(rows, (row) => row.target);
const filled = (rows: number, value: number): Float64Array => new Float64Array(rows).fill(value);

/** Rows with their gradients by the oracle, and the block and coefficients for the kernel. */
function makeCase(dtype: FloatDType, classes: number, { t, b, z, weighted, soft }: Plan) {
  const rows = makeRows(dtype, classes);
  const random = seededRandom(classes + 1);
  const weights = Float64Array.from({ length: classes }, (_, c) => (c % 5 === 3 ? 0 : 2 * random()));
  // Some classes have the probability 0.
  const probabilities = Float32Array.from({ length: rows.length * classes }, (_, c) =>
    c % 3 === 2 ? 0 : random() / classes,
  );
  const expected = rows.map(({ logits, target }, r) => {
    const q = Float64Array.from({ length: classes }, (_, c) => {
      const w = weighted ? weights[c]! : 1;
      const smoothing = w * b(classes);
      // With class indices the weight of the target is in t.
      return smoothing + (soft ? w * t * probabilities[r * classes + c]! : c === target ? t : 0);
    });
    return gradient(logits, q, z);
  });
  const block: KernelBlock = {
    ...{ dtype, classes, targets: targetsOf(rows), logits: Buffer.concat(rows.map((row) => row.bytes)) },
    weights: weighted && weights,
    probabilities: soft && { dtype: 'float32', data: new Uint8Array(probabilities.buffer) },
  };
  const coefficients = { t: filled(rows.length, t), b: filled(rows.length, b(classes)), z: filled(rows.length, z) };
  return { rows, expected, block, coefficients };
}

/** The gradient as it was computed, in float64. */
function computed(kernel: Kernel, dtype: FloatDType): Float64Array {
  const wide = dtype === 'float64' ? 'float64' : 'float32';
  return decode(wide, kernel.gradient(wide));
}

describe.each(KERNEL_DTYPES)('the gradient of %s', (dtype) => {
  const kernels = VARIANTS.map((variant) => Kernel.load(variant));

  describe.each(Object.entries(PLANS))('with %s', (name, plan) => {
    test.each(THOROUGH.has(name) ? CLASSES : FEWER_CLASSES)(
      'agrees with the float64 reference for %i classes',
      (classes) => {
        const { rows, expected, block, coefficients } = makeCase(dtype, classes, plan);
        for (const kernel of kernels) {
          kernel.place(block);
          kernel.forwardWithGradient(coefficients);
          const got = computed(kernel, dtype);
          const wrong = rows.flatMap(({ kind, target }, r) => {
            const wanted = expected[r]!;
            const largest = wanted.reduce((top, g) => Math.max(top, Math.abs(g)), 0);
            // 1e-16 covers the rounding of sums of coefficients, which are about 1.
            const bound = largest * BOUND[dtype] + 1e-16;
            const c = wanted.findIndex((g, c) => {
              const value = got[r * classes + c]!;
              return Number.isNaN(g) ? !Number.isNaN(value) : !(Math.abs(value - g) <= bound);
            });
            return c < 0
              ? []
              : [{ variant: kernel.variant, kind, target, c, got: got[r * classes + c], wanted: wanted[c], bound }];
          });
          expect(wrong).toEqual([]);
        }
      },
    );
  });

  test.each(CLASSES)('comes with the bits that forward has, for %i classes', (classes) => {
    const { block, coefficients } = makeCase(dtype, classes, PLANS['class indices']!);
    for (const kernel of kernels) {
      kernel.place(block);
      const forward = kernel.forward();
      expect(kernel.forwardWithGradient(coefficients)).toEqual(forward);
    }
  });

  test('is exactly 0 at a logit of −Inf', () => {
    for (const classes of [3, 16, 33, 257, 1025]) {
      const { rows, block, coefficients } = makeCase(dtype, classes, PLANS['class indices']!);
      for (const kernel of kernels) {
        kernel.place(block);
        const { lse } = kernel.forwardWithGradient(coefficients);
        const got = computed(kernel, dtype);
        let found = 0;
        rows.forEach(({ kind, logits, target }, r) => {
          logits.forEach((x, c) => {
            if (x !== -Infinity || c === target || !Number.isFinite(lse[r])) return;
            found++;
            if (got[r * classes + c] !== 0)
              expect.unreachable(`${kind}, class ${c} of ${classes}: ${got[r * classes + c]}`);
          });
        });
        expect(found).toBeGreaterThan(classes / 3);
      }
    }
  });

  test('is 0 for rows without a target, whatever they hold', () => {
    const classes = 33;
    for (const target of [NO_TARGET, LEFT_OUT]) {
      for (const plan of Object.values(PLANS)) {
        const { rows, block, coefficients } = makeCase(dtype, classes, plan);
        for (const kernel of kernels) {
          kernel.place({ ...block, targets: new Int32Array(rows.length).fill(target) });
          kernel.forwardWithGradient(coefficients);
          expect(computed(kernel, dtype)).toEqual(new Float64Array(rows.length * classes));
          expect(kernel.gradientNorms()).toEqual(new Float64Array(rows.length));
        }
      }
    }
  });

  test('keeps its relative accuracy at the target of a confident row', () => {
    for (const classes of [2, 5, 17, 256, 1025]) {
      const { rows, expected, block, coefficients } = makeCase(dtype, classes, PLANS['class indices']!);
      for (const kernel of kernels) {
        kernel.place(block);
        kernel.forwardWithGradient(coefficients);
        const got = computed(kernel, dtype);
        rows.forEach(({ kind, target }, r) => {
          const wanted = expected[r]![target]!;
          if (!kind.startsWith('confident') || Math.abs(wanted) < 9e-7) return;
          const error = Math.abs(got[r * classes + target]! / wanted - 1);
          expect(error, `${kernel.variant}: ${kind}, ${classes} classes`).toBeLessThan(1e-5);
        });
      }
    }
  });

  test('gradientNorms are the roots of the sums of its squares', () => {
    for (const classes of CLASSES) {
      const { rows, block, coefficients } = makeCase(dtype, classes, PLANS['label smoothing']!);
      for (const kernel of kernels) {
        kernel.place(block);
        kernel.forwardWithGradient(coefficients);
        const got = computed(kernel, dtype);
        const norms = kernel.gradientNorms();
        rows.forEach(({ kind }, r) => {
          const wanted = Math.sqrt(exactSum(got.subarray(r * classes, (r + 1) * classes).map((g) => g * g)));
          if (Number.isNaN(wanted)) expect(norms[r], kind).toBeNaN();
          else expect(Math.abs(norms[r]! - wanted), kind).toBeLessThanOrEqual(1e-13 * wanted);
        });
      }
    }
  });
});
