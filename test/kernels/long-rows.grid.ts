/** Rows as long as vocabularies get: rounding may not grow with the number of classes. */
import { describe, expect, test } from 'vitest';
import { Kernel } from '../../kernels/kernel.ts';
import { classUnit } from '../../kernels/class-unit.ts';
import { makeBadInColumn } from '../../src/diagnostics/survey.ts';
import { entropy, exactSum, lse, nll, uniformNll } from '../reference.ts';
import { seededRandom } from '../rows.ts';

const VARIANTS = ['strict', 'relaxed'] as const;
const bytesOf = (values: Float64Array<ArrayBuffer> | Float32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> =>
  new Uint8Array(values.buffer);

const ROWS: Record<string, (classes: number) => Float64Array<ArrayBuffer>> = {
  '256 peaks of 30 above zeros': (classes) => new Float64Array(classes).fill(30, 0, 256),
  'zeros above 256 values of −30': (classes) => new Float64Array(classes).fill(-30, 0, 256),
  constant: (classes) => new Float64Array(classes).fill(0.1),
  'random between −10 and 10': (classes) => {
    const random = seededRandom(classes);
    return Float64Array.from({ length: classes }, () => 20 * random() - 10);
  },
};

describe.each(Object.keys(ROWS))('float64 rows, %s', (name) => {
  const kernels = VARIANTS.map((variant) => Kernel.load(variant));

  test.each([1023, 1025, 65_536, 2 ** 21])('of %i classes keep 1e-12', (classes) => {
    const row = ROWS[name]!(classes);
    const logits = bytesOf(row);
    const targets = [255, classes - 1];
    const wanted = {
      lse: lse(row),
      nll: targets.map((target) => nll(row, target)),
      uniform: uniformNll(row),
      entropy: entropy(row),
      norm: Math.sqrt(exactSum(row.map((x) => x * x))),
    };
    for (const kernel of kernels) {
      targets.forEach((target, k) => {
        kernel.place({ dtype: 'float64', classes, logits, targets: Int32Array.of(target) });
        const rows = kernel.forward();
        expect(Math.abs(rows.lse[0]! - wanted.lse)).toBeLessThanOrEqual(1e-12);
        expect(Math.abs(rows.nll[0]! / wanted.nll[k]! - 1)).toBeLessThanOrEqual(1e-12);
      });
      expect(Math.abs((kernel.uniformNll()[0]! * classUnit(classes)) / wanted.uniform - 1)).toBeLessThanOrEqual(1e-12);
      expect(Math.abs(kernel.column('entropy')[0]! / wanted.entropy - 1)).toBeLessThanOrEqual(1e-12);
      expect(Math.abs(kernel.survey(makeBadInColumn(classes)).norms[0]! / wanted.norm - 1)).toBeLessThanOrEqual(1e-12);
      kernel.release();
    }
  });

  test('of 2^19 classes keep it with class probabilities and weights, and in the norm of the gradient', () => {
    const classes = 2 ** 19;
    const row = ROWS[name]!(classes);
    const random = seededRandom(3);
    const p = Float64Array.from({ length: classes }, () => random() / classes);
    const weights = Float64Array.from({ length: classes }, () => 0.1 + random());
    const total = lse(row);
    const mass = exactSum(p.map((value, c) => value * weights[c]!));
    const plain = exactSum(p.map((value, c) => value * (total - row[c]!)));
    const weighted = exactSum(p.map((value, c) => value * weights[c]! * (total - row[c]!)));
    const gradient = row.map((x, c) => mass * Math.exp(x - total) - p[c]! * weights[c]!);
    const norm = Math.sqrt(exactSum(gradient.map((g) => g * g)));
    for (const kernel of kernels) {
      kernel.place({
        ...{ dtype: 'float64', classes, logits: bytesOf(row), targets: Int32Array.of(0), weights },
        probabilities: { dtype: 'float64', data: bytesOf(p) },
      });
      const probabilities = kernel.probabilities();
      expect(Math.abs(probabilities.sums[0]! / exactSum(p) - 1)).toBeLessThanOrEqual(1e-15);
      expect(Math.abs(probabilities.masses[0]! / mass - 1)).toBeLessThanOrEqual(1e-15);
      const one = Float64Array.of(1);
      kernel.forwardWithGradient({ t: one, b: new Float64Array(1), z: new Float64Array(1) });
      const crossEntropy = kernel.crossEntropy();
      expect(Math.abs(crossEntropy.nll[0]! / plain - 1)).toBeLessThanOrEqual(1e-12);
      expect(Math.abs(crossEntropy.weighted![0]! / weighted - 1)).toBeLessThanOrEqual(1e-12);
      expect(Math.abs(kernel.gradientNorms()[0]! / norm - 1)).toBeLessThanOrEqual(1e-12);
      kernel.release();
    }
  });
});

describe.each(VARIANTS)('the %s kernel, float32', (variant) => {
  test.each([1000, 4096, 50_257, 262_144])('the entropy of flat rows of %i classes keeps 2e-6', (classes) => {
    const kernel = Kernel.load(variant);
    for (let k = 0; k < 24; k++) {
      // Peaks at every height above a flat rest, with the offsets that round worst.
      const offset = k % 3 === 0 ? 0 : (7.5 * k) % 10;
      const row = new Float32Array(classes).fill(offset + 0.1);
      for (let peak = 0; peak < k % 5; peak++)
        row[Math.floor((classes * (peak + 1)) / 6)] = offset + ((0.618 * k) % 1) * 20;
      kernel.place({ dtype: 'float32', classes, logits: bytesOf(row), targets: Int32Array.of(3) });
      kernel.forward();
      expect(Math.abs(kernel.column('entropy')[0]! - entropy(row))).toBeLessThanOrEqual(2e-6);
    }
  });
});
