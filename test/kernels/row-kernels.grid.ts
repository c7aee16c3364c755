import { describe, expect, test } from 'vitest';
import { LEFT_OUT, NO_TARGET } from '../../kernels/abi.ts';
import { Kernel } from '../../kernels/kernel.ts';
import { classUnit } from '../../kernels/class-unit.ts';
import type { Variant } from '../../kernels/instance.ts';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import { entropy, exactSum, lse, prediction, targetRank, uniformNll } from '../reference.ts';
import { forward } from './forward.ts';
import { ROWS, decode, encode, seededRandom } from '../rows.ts';

const VARIANTS: readonly Variant[] = ['strict', 'relaxed'];
const CLASSES = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 255, 256, 257, 1000, 1023, 32000];

describe.each(KERNEL_DTYPES)('%s', (dtype) => {
  const kernels = VARIANTS.map((variant) => Kernel.load(variant));

  test.each(CLASSES)('rank, uniform nll and entropy of %i classes agree with the reference', (classes) => {
    const random = seededRandom(classes);
    const kinds = Object.entries(ROWS).map(([kind, make]) => {
      const target = Math.floor(classes * random());
      const bytes = encode(dtype, make(classes, target, random));
      return { kind, target, bytes, row: decode(dtype, bytes) };
    });
    const logits = Buffer.concat(kinds.map((row) => row.bytes));
    const weights = Float64Array.from({ length: classes }, (_, c) => (c % 3 === 0 ? 0.25 : random()));

    for (const kernel of kernels) {
      forward(
        kernel,
        dtype,
        logits,
        classes,
        Int32Array.from(kinds, (row) => row.target),
      );
      const { predictions, targetRank: ranks, maximum } = kernel.rank();
      const plain = kernel.uniformNll().map((sum) => sum * classUnit(classes));
      const entropies = kernel.column('entropy');
      const targets = Int32Array.from(kinds, (row) => row.target);
      kernel.place({ dtype, logits, classes, targets, weights });
      kernel.forward();
      const weighted = kernel.uniformNll().map((sum) => sum * classUnit(classes));
      kinds.forEach(({ kind, target, row }, r) => {
        const name = `${kernel.variant}: ${kind}`;
        expect(predictions[r], name).toBe(prediction(row));
        expect(maximum[r]! + 0, name).toBe(row.reduce((top, x) => (x > top ? x : top), -Infinity) + 0);
        expect(ranks[r], name).toBe(targetRank(row, target));
        // The sum contains lse once for every class, each time with the promised error.
        const lsePerClass = dtype === 'float64' ? 1e-12 : 2e-6;
        const sum = lse(row);
        const absolute = exactSum(row.map((x) => Math.abs(sum - x)));
        expectClose(plain[r]!, uniformNll(row), lsePerClass * classes + 1e-12 * absolute, name);
        expectClose(weighted[r]!, uniformNll(row, weights), lsePerClass * classes + 1e-12 * absolute, name);
        const bound = dtype === 'float64' ? 1e-12 : 2e-6;
        expectClose(entropies[r]!, entropy(row), bound, name);
      });
    }
  });

  test('a large offset of a row does not show in its uniform nll, nor a class of weight 0', () => {
    const kernel = Kernel.load();
    const top = dtype === 'float16' ? 60_000 : 2 ** 60;
    const row = [top, top, top, -Infinity];
    const weights = Float64Array.of(1, 2, 0, 0);
    kernel.place({ dtype, logits: encode(dtype, row), classes: 4, targets: Int32Array.of(1), weights });
    kernel.forward();
    expect(kernel.uniformNll()[0]! * classUnit(4)).toBeCloseTo(3 * Math.log(3), 6);
  });

  test('rows without a target have no rank', () => {
    const kernel = Kernel.load();
    forward(kernel, dtype, encode(dtype, [1, 2, 3, 1, 2, 3]), 3, Int32Array.of(NO_TARGET, LEFT_OUT));
    expect(kernel.rank()).toMatchObject({ predictions: Int32Array.of(2, 2), targetRank: Int32Array.of(-1, -1) });
  });
});

test.each(['float16', 'bfloat16'] as const)(
  'ranks of %s are right for every value there is, beside every other',
  (dtype) => {
    const bits = Uint16Array.from({ length: 2 ** 16 }, (_, k) => (k * 40_503) % 2 ** 16);
    const logits = new Uint8Array(bits.buffer);
    const row = decode(dtype, logits);
    const random = seededRandom(4);
    for (const variant of ['strict', 'relaxed'] as const) {
      const kernel = Kernel.load(variant);
      for (let k = 0; k < 100; k++) {
        const target = Math.floor(row.length * random());
        kernel.place({ dtype, logits, classes: row.length, targets: Int32Array.of(target) });
        expect(kernel.rankOfRow(0), `${variant}: ${row[target]} at ${target}`).toBe(targetRank(row, target));
      }
    }
  },
);

function expectClose(actual: number, expected: number, bound: number, name: string): void {
  if (!Number.isFinite(expected)) expect(actual, name).toBe(expected);
  else expect(Math.abs(actual - expected), name).toBeLessThanOrEqual(bound);
}
