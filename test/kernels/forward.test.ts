import { describe, expect, test } from 'vitest';
import { LEFT_OUT, NO_TARGET } from '../../kernels/abi.ts';
import { Kernel } from '../../kernels/kernel.ts';
import type { Variant } from '../../kernels/instance.ts';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import { partOf } from '../lists.ts';
import { lse, nll } from '../reference.ts';
import { forward } from './forward.ts';
import { ROWS, decode, encode, seededRandom } from '../rows.ts';

const VARIANTS: readonly Variant[] = ['strict', 'relaxed'];
const CLASSES = partOf(
  [...Array.from({ length: 70 }, (_, k) => k + 1), 255, 256, 257, 1000, 1023, 1024, 1025, 32000, 128256],
  5,
);

/** Promised accuracy of each dtype: absolute in lse and nll, and relative in nll down to 1e-6. */
const PROMISE = {
  float16: { absolute: 2e-6, relative: 1e-5 },
  bfloat16: { absolute: 2e-6, relative: 1e-5 },
  float32: { absolute: 2e-6, relative: 1e-5 },
  float64: { absolute: 1e-12, relative: 1e-12 },
} as const;

/** Distance from a float64 to the next. */
function ulp(x: number): number {
  return 2 ** (Math.floor(Math.log2(Math.max(Math.abs(x), 2 ** -1000))) - 52);
}

/** True for two results that agree, non-finite ones exactly. */
function agree(actual: number, expected: number, absolute: number, relative: number): boolean {
  if (!Number.isFinite(expected)) return Object.is(actual, expected);
  const error = Math.abs(actual - expected);
  return error <= absolute && error <= relative * Math.max(Math.abs(expected), 1e-6);
}

interface Case {
  kind: string;
  target: number;
  bytes: Uint8Array<ArrayBuffer>;
  lse: number;
  nll: number;
  counts: [nan: number, posInf: number, negInf: number];
}

/** Every kind of row, with the target at the first, a random and the last class; only a random class above 2000 classes. */
function cases(dtype: FloatDType, classes: number): Case[] {
  const random = seededRandom(classes);
  const targets = classes > 2000 ? [Math.floor(classes * random())] : [0, Math.floor(classes * random()), classes - 1];
  return Object.entries(ROWS).flatMap(([kind, make]) =>
    targets.map((target) => {
      const bytes = encode(dtype, make(classes, target, random));
      const row = decode(dtype, bytes);
      return {
        kind,
        target,
        bytes,
        lse: lse(row),
        nll: nll(row, target),
        counts: [Number.NaN, Infinity, -Infinity].map(
          (value) => row.filter((x) => Object.is(x, value)).length,
        ) as Case['counts'],
      };
    }),
  );
}

describe.each(KERNEL_DTYPES)('forward of %s', (dtype) => {
  const kernels = VARIANTS.map((variant) => Kernel.load(variant));

  test.each(CLASSES)('agrees with the float64 reference for %i classes', (classes) => {
    const rows = cases(dtype, classes);
    const logits = Buffer.concat(rows.map((row) => row.bytes));
    const { absolute, relative } = PROMISE[dtype];
    for (const kernel of kernels) {
      const block = forward(
        kernel,
        dtype,
        logits,
        classes,
        Int32Array.from(rows, (row) => row.target),
      );
      const wrong = rows.flatMap((row, r) => {
        const rounding = 2 * ulp(row.lse);
        const ok =
          agree(block.lse[r]!, row.lse, absolute + rounding, Infinity) &&
          agree(block.nll[r]!, row.nll, absolute + 2 * ulp(row.nll), relative) &&
          [block.nanCount[r], block.posInfCount[r], block.negInfCount[r]].every((count, k) => count === row.counts[k]);
        return ok ? [] : [{ variant: kernel.variant, ...row, bytes: undefined, got: [block.lse[r], block.nll[r]] }];
      });
      expect(wrong).toEqual([]);
    }
  });

  test.each(VARIANTS)('%s: rows without a target have an lse, rows left out only their counts', (variant) => {
    const rows = cases(dtype, 257);
    const logits = Buffer.concat(rows.map((row) => row.bytes));
    const kernel = Kernel.load(variant);
    const noTarget = forward(kernel, dtype, logits, 257, new Int32Array(rows.length).fill(NO_TARGET));
    const leftOut = forward(kernel, dtype, logits, 257, new Int32Array(rows.length).fill(LEFT_OUT));
    rows.forEach((row, r) => {
      expect(agree(noTarget.lse[r]!, row.lse, PROMISE[dtype].absolute + 2 * ulp(row.lse), Infinity), row.kind).toBe(
        true,
      );
      expect([noTarget.nll[r], leftOut.lse[r], leftOut.nll[r]]).toEqual([0, 0, 0]);
      for (const block of [noTarget, leftOut]) {
        expect([block.nanCount[r], block.posInfCount[r], block.negInfCount[r]]).toEqual(row.counts);
      }
    });
  });

  test.each(VARIANTS)('%s: a row has the same bits wherever it stands in a block', (variant) => {
    const kernel = Kernel.load(variant);
    for (const classes of [1, 7, 33, 257, 1025]) {
      const rows = cases(dtype, classes);
      const logits = Buffer.concat(rows.map((row) => row.bytes));
      const block = forward(
        kernel,
        dtype,
        logits,
        classes,
        Int32Array.from(rows, (row) => row.target),
      );
      rows.forEach((row, r) => {
        const alone = forward(kernel, dtype, row.bytes, classes, Int32Array.of(row.target));
        expect([alone.lse[0], alone.nll[0]]).toEqual([block.lse[r], block.nll[r]]);
      });
    }
  });
});

test('a block whose bytes do not fit its shape is refused', () => {
  expect(() => forward(Kernel.load(), 'float32', new Uint8Array(11), 3, Int32Array.of(0))).toThrow(RangeError);
});

test('findNonFinite names the columns of each kind in order', () => {
  const kernel = Kernel.load();
  for (const dtype of KERNEL_DTYPES) {
    const row = [1, Number.NaN, Infinity, 2, -Infinity, Number.NaN];
    forward(kernel, dtype, encode(dtype, [0, 0, 0, 0, 0, 0, ...row]), 6, Int32Array.of(0, 0));
    expect(kernel.received.findNonFinite(0, 0, 7)).toBe(-1);
    expect([0, 2, 3, 5, 6].map((from) => kernel.received.findNonFinite(1, from, 7))).toEqual([1, 2, 4, 5, -1]);
    expect([1, 2, 4].map((kinds) => kernel.received.findNonFinite(1, 0, kinds))).toEqual([1, 2, 4]);
  }
});
