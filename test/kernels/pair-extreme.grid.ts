/** Finite logits whose differences leave the range of their dtype. */
import { describe, expect, test } from 'vitest';
import type { Variant } from '../../kernels/instance.ts';
import { Kernel } from '../../kernels/kernel.ts';
import type { Comparison } from '../../kernels/pair.ts';
import { decode } from '../rows.ts';
import { ExactPair } from './exact-divergence.ts';
import { toNumber } from './fixed-point.ts';
import { blockOf, roundedPairs } from './pair-rows.ts';
import type { PairDTypes, RoundedPair } from './pair-rows.ts';

const VARIANTS: readonly Variant[] = ['strict', 'relaxed'];
const kernels = VARIANTS.map((variant) => Kernel.load(variant));

/** Dtypes with the magnitude of their extreme logits. */
const DTYPES: readonly (readonly [...PairDTypes, number])[] = [
  ['float32', 'float32', 3e38],
  ['float32', 'float32', 3.4028234663852886e38],
  ['bfloat16', 'bfloat16', 3e38],
  ['float16', 'bfloat16', 60_000],
  ['bfloat16', 'float32', 3e38],
  ['float16', 'float16', 65_504],
  ['float64', 'float64', 1e308],
  ['float64', 'float64', 1.7e308],
  ['float32', 'float64', 3e38],
];

const COMPARISONS: readonly Comparison[] = [
  { direction: 'forward' },
  { direction: 'reverse' },
  ...[0, 0.1, 0.5, 0.999, 1].map((beta): Comparison => ({ direction: 'jensen_shannon', beta })),
  ...[0.5, 5, 16, 60].map((floor): Comparison => ({ direction: 'forward', floor })),
];

/** Patterns of logits, most of them with multiples of the extreme logit. */
const PATTERNS: readonly ((extreme: number) => number[])[] = [
  (b) => [b, -b, -b, -b],
  (b) => [-b, b, -b, -b],
  (b) => [b, b, -b, 0],
  (b) => [b, b, b, b],
  (b) => [-b, -b, -b, -b],
  () => [0, 1, -1, 0.5],
  (b) => [0, 0, 0, -b],
  (b) => [-b, 0, 1, -b],
  (b) => [0, -b, b, b / 2],
  (b) => [b / 2, b / 4, -b / 2, -b / 4],
  () => [0, -80, -1, -2],
  (b) => [-80, 0, -40, b],
  () => [1e20, 1e20, -3, 0],
  () => [-1e20, -1e20, -1e20, -3e20],
  () => [-3e9, -3e9, -3.1e9, -3e9],
];

/** Every pattern against every other, repeated up to a number of classes. */
function extremePairs(extreme: number, classes: number) {
  const rows = PATTERNS.map((make) => make(extreme));
  const repeated = (row: number[]): number[] => Array.from({ length: classes }, (_, c) => row[c % row.length]!);
  return rows.flatMap((p) =>
    rows.map((q) => ({ kind: `${p.join(', ')} and ${q.join(', ')}`, p: repeated(p), q: repeated(q) })),
  );
}

function exactDivergence({ direction, beta, floor }: Comparison, pair: ExactPair): bigint {
  if (floor !== undefined) return pair.truncated(floor)!;
  if (direction === 'forward' || beta === 0) return pair.forwardKl()!;
  if (direction === 'reverse' || beta === 1) return pair.reverseKl()!;
  return pair.jensenShannon(beta!);
}

function exactGradient({ direction, beta, floor }: Comparison, pair: ExactPair): bigint[] {
  if (floor !== undefined) return pair.truncatedGradient(floor);
  if (direction === 'forward' || beta === 0) return pair.forwardGradient();
  if (direction === 'reverse' || beta === 1) return pair.reverseGradient();
  return pair.jensenShannonGradient(beta!);
}

const isReverse = ({ direction, beta }: Comparison): boolean => direction === 'reverse' || beta === 1;

const isWithin = (bound: number, got: number, wanted: number): boolean =>
  got === wanted || Math.abs(got - wanted) <= bound;

describe.each(DTYPES)('logits of %s and %s up to ±%d', (reference, logits, extreme) => {
  const dtypes = [reference, logits] as const;
  const isWide = dtypes.includes('float64');
  const relative = isWide ? 1e-12 : 3e-6;
  const computed = isWide ? 'float64' : 'float32';
  const rounded = isWide ? (x: number): number => x : Math.fround;

  /** Results of a comparison that differ from the definitions. */
  function wrongOf(kernel: Kernel, comparison: Comparison, rows: readonly RoundedPair[], scale: number): object[] {
    const classes = rows[0]!.p.length;
    const placed = kernel.placePair(blockOf(rows, dtypes, { scale }));
    const { divergence, infinite } = placed.compare(comparison);
    const gradient = decode(computed, placed.gradient(new Float64Array(rows.length).fill(1), computed));
    return rows.flatMap(({ kind, p, q }, row) => {
      const pair = new ExactPair({ p, q, scale });
      const wanted = toNumber(exactDivergence(comparison, pair));
      const values = exactGradient(comparison, pair).map((value) => rounded(scale * toNumber(value)));
      const own = gradient.subarray(row * classes, (row + 1) * classes);
      // The gradient of the reverse divergence contains d − KL, which has the rounding error of the divergence.
      const size = isReverse(comparison) && wanted < Infinity ? scale * Math.max(1, wanted) : scale;
      const greatest = Math.max(size, ...values.map(Math.abs).filter(Number.isFinite));
      const isRight =
        infinite[row] === -1 &&
        isWithin(relative * Math.max(wanted, 1), divergence[row]!, wanted) &&
        values.every((value, c) =>
          isReverse(comparison) && wanted === Infinity
            ? Number.isNaN(own[c])
            : isWithin(relative * greatest, own[c]!, value),
        );
      if (isRight) return [];
      const got = { infinite: infinite[row], divergence: divergence[row], gradient: [...own] };
      return [{ kind, ...comparison, scale, variant: kernel.variant, got, wanted, values }];
    });
  }

  test.each([4, 1, 23])('have the divergences and gradients of their definitions, for %i classes', (classes) => {
    const rows = roundedPairs(extremePairs(extreme, classes), dtypes);
    // A scale above 1 makes extreme logits of float64 infinite.
    for (const scale of extreme > 1e300 ? [1, 0.01, 0.37] : [1, 0.01, 0.37, 10]) {
      for (const comparison of COMPARISONS) {
        expect(kernels.flatMap((kernel) => wrongOf(kernel, comparison, rows, scale))).toEqual([]);
      }
    }
  });
});

test('a class that P lacks counts at the end of float16, where a scale brings all logits near', () => {
  const end = -65_504;
  const rows = [{ p: Float64Array.of(end, -Infinity), q: Float64Array.of(end, end) }];
  const block = blockOf(rows, ['float16', 'float16'], { scale: 0.01 });
  for (const kernel of kernels) {
    const forward = kernel.placePair(block);
    expect(forward.compare({ direction: 'forward' }).divergence[0]).toBeCloseTo(Math.LN2, 6);
    const gradient = decode('float32', forward.gradient(Float64Array.of(1), 'float32'));
    expect(gradient[1]! / 0.01).toBeCloseTo(0.5, 6);
    const mixed = kernel.placePair(block);
    // p = (1, 0), q = (1, 1)/2, m = (3, 1)/4.
    const expected = 0.5 * Math.log(4 / 3) + 0.25 * Math.log(2 / 3) + 0.25 * Math.log(2);
    expect(mixed.compare({ direction: 'jensen_shannon', beta: 0.5 }).divergence[0]).toBeCloseTo(expected, 6);
    const [first, second] = decode('float32', mixed.gradient(Float64Array.of(1), 'float32'));
    const slope = 0.01 * 0.5 * 0.25 * (Math.log(2) - Math.log(2 / 3));
    expect(second).toBeCloseTo(slope, 8);
    expect(first).toBeCloseTo(-slope, 8);
  }
});
