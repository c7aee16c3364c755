import { describe, expect, test } from 'vitest';
import { LEFT_OUT } from '../../kernels/abi.ts';
import type { Variant } from '../../kernels/instance.ts';
import { Kernel } from '../../kernels/kernel.ts';
import type { Comparison } from '../../kernels/pair.ts';
import { decode, seededRandom } from '../rows.ts';
import { ExactPair } from './exact-divergence.ts';
import { ONE, exp, fixed, log, over, times, toNumber } from './fixed-point.ts';
import { FINITE, WITH_NEG_INF, blockOf, makePairs, roundedPairs } from './pair-rows.ts';
import type { PairDTypes, RoundedPair } from './pair-rows.ts';

const VARIANTS: readonly Variant[] = ['strict', 'relaxed'];
const kernels = VARIANTS.map((variant) => Kernel.load(variant));

const DTYPES: readonly PairDTypes[] = [
  ['float32', 'float32'],
  ['bfloat16', 'float16'],
  ['float64', 'float64'],
  ['float16', 'float64'],
];

const COMPARISONS: readonly Comparison[] = [
  { direction: 'forward' },
  { direction: 'reverse' },
  ...[0, 0.1, 0.5, 0.9, 1].map((beta): Comparison => ({ direction: 'jensen_shannon', beta })),
  { direction: 'forward', floor: 5 },
  { direction: 'forward', floor: 16 },
];

/** Derivatives by the logits of Q, and the size to which errors are relative; undefined for an infinite divergence. */
function exactGradient({ direction, beta, floor }: Comparison, pair: ExactPair) {
  if (floor !== undefined) return { gradient: pair.truncatedGradient(floor), size: 1 };
  if (direction === 'forward' || beta === 0) return { gradient: pair.forwardGradient(), size: 0 };
  if (direction === 'jensen_shannon' && beta !== 1) {
    return { gradient: pair.jensenShannonGradient(beta!), size: toNumber(pair.jensenShannon(beta!)) };
  }
  const divergence = pair.reverseKl();
  return divergence === undefined ? undefined : { gradient: pair.reverseGradient(), size: toNumber(divergence) };
}

/** log softmax of scaled logits. */
function logSoftmax(row: readonly bigint[]): bigint[] {
  const top = row.reduce((a, b) => (a > b ? a : b));
  const lse = top + log(row.reduce((sum, x) => sum + exp(x - top), 0n));
  return row.map((x) => x - lse);
}

/** A divergence by its definition, for logits with 58 decimals. */
function defined({ direction, beta = 0, floor }: Comparison, p: readonly bigint[], q: readonly bigint[]): bigint {
  const [lp, lq] = [logSoftmax(p), logSoftmax(q)];
  const sum = (term: (c: number) => bigint): bigint => lp.reduce((total, _, c) => total + term(c), 0n);
  if (floor !== undefined) return sum((c) => (lp[c]! > -fixed(floor) ? times(exp(lp[c]!), lp[c]! - lq[c]!) : 0n));
  if (direction === 'forward' || (direction !== 'reverse' && beta === 0)) {
    return sum((c) => times(exp(lp[c]!), lp[c]! - lq[c]!));
  }
  if (direction === 'reverse' || beta === 1) return sum((c) => times(exp(lq[c]!), lq[c]! - lp[c]!));
  const [ofP, ofQ] = [fixed(beta), ONE - fixed(beta)];
  return sum((c) => {
    const [mp, mq] = [times(ofP, exp(lp[c]!)), times(ofQ, exp(lq[c]!))];
    if (mp + mq === 0n) return 0n;
    const lm = log(mp + mq);
    return times(mp, lp[c]! - lm) + times(mq, lq[c]! - lm);
  });
}

/** (D(x + h) − D(x − h)) / 2h with h = 2^−60: its error is of the size of h². */
function centralDifferences(comparison: Comparison, { p, q }: RoundedPair, scale: number): number[] {
  const h = ONE >> 60n;
  const scaled = (row: readonly bigint[]): bigint[] => row.map((x) => times(fixed(scale), x));
  const reference = scaled(Array.from(p, fixed));
  const logits = Array.from(q, fixed);
  const at = (c: number, x: bigint): bigint => defined(comparison, reference, scaled(logits.with(c, x)));
  return logits.map((x, c) => toNumber(over(at(c, x + h) - at(c, x - h), 2n * h)));
}

/** Coefficients of the rows, some far from 1. */
const coefficientOf = (row: number): number => [1, -2.5, 1e-4][row % 3]!;

/** Gradient of a comparison of rows, in float64. */
function gradientOf(
  kernel: Kernel,
  comparison: Comparison,
  rows: readonly RoundedPair[],
  dtypes: PairDTypes,
  scale: number,
) {
  const placed = kernel.placePair(blockOf(rows, dtypes, { scale }));
  placed.compare(comparison);
  const computed = dtypes.includes('float64') ? 'float64' : 'float32';
  const coefficients = Float64Array.from(rows, (_, row) => coefficientOf(row));
  return decode(computed, placed.gradient(coefficients, computed));
}

/** Error bounds: relative to the greatest element or the divergence, and the least bound of an element. */
const boundOf = (dtypes: PairDTypes): { relative: number; least: number } =>
  dtypes.includes('float64') ? { relative: 1e-12, least: 1e-15 } : { relative: 2e-6, least: 1e-9 };

describe.each(DTYPES)('gradients of %s and %s', (...dtypes) => {
  const { relative, least } = boundOf(dtypes);

  test.each([1, 0.37, 10])('are what central differences give, for logits times %d', (scale) => {
    const rows = roundedPairs(makePairs(FINITE, 6), dtypes);
    for (const comparison of COMPARISONS) {
      const wanted = rows.map((row) => centralDifferences(comparison, row, scale));
      for (const kernel of kernels) {
        const got = gradientOf(kernel, comparison, rows, dtypes, scale);
        wanted.forEach((gradient, row) => {
          const k = coefficientOf(row);
          const size = toNumber(defined(comparison, ...scaledSides(rows[row]!, scale)));
          const greatest = Math.max(size, comparison.floor === undefined ? 0 : 1, ...gradient.map(Math.abs));
          gradient.forEach((value, c) => {
            const error = Math.abs(got[row * 6 + c]! - k * value);
            const bound = Math.abs(k) * scale * (relative * greatest + least);
            expect(error, `${JSON.stringify(comparison)}: ${rows[row]!.kind}`).toBeLessThanOrEqual(bound);
          });
        });
      }
    }
  });

  test.each([1, 3, 17, 100, 260])('are those of the formulas for %i classes, also with −Inf', (classes) => {
    const rows = roundedPairs(makePairs({ ...FINITE, ...WITH_NEG_INF }, classes), dtypes);
    const pairs = rows.map((row) => new ExactPair({ ...row, scale: 0.7 }));
    for (const comparison of COMPARISONS) {
      const wanted = pairs.map((pair) => exactGradient(comparison, pair));
      for (const kernel of kernels) {
        const got = gradientOf(kernel, comparison, rows, dtypes, 0.7);
        wanted.forEach((exact, row) => {
          const own = got.subarray(row * classes, (row + 1) * classes);
          if (exact === undefined) {
            expect(own.every(Number.isNaN), rows[row]!.kind).toBe(true);
            return;
          }
          const values = exact.gradient.map((value) => 0.7 * coefficientOf(row) * toNumber(value));
          const k = 0.7 * Math.abs(coefficientOf(row));
          const greatest = Math.max(k * exact.size, ...values.map(Math.abs));
          const errors = values.map((value, c) => Math.abs(own[c]! - value));
          const message = `${JSON.stringify(comparison)}: ${rows[row]!.kind}`;
          expect(Math.max(...errors), message).toBeLessThanOrEqual(relative * greatest + least * k);
        });
      }
    }
  });
});

function scaledSides({ p, q }: RoundedPair, scale: number): [bigint[], bigint[]] {
  const scaled = (x: number): bigint => times(fixed(scale), fixed(x));
  return [Array.from(p, scaled), Array.from(q, scaled)];
}

test('a row has the same bits in a block of any size and at any place', () => {
  const random = seededRandom(9);
  // At most 512 KiB of exponentials are kept at a time, so that 200 rows of 1,500 classes are cut into several parts.
  for (const [dtypes, classes] of [
    [['float32', 'float32'], 1500],
    [['float16', 'bfloat16'], 1499],
    [['float64', 'float32'], 700],
  ] as const) {
    const kinds = roundedPairs(makePairs({ ...FINITE, ...WITH_NEG_INF }, classes), dtypes);
    const rows = Array.from({ length: 100 }, () => kinds[Math.floor(random() * kinds.length)]!);
    const targets = rows.map((_, row) => (row % 9 === 4 ? LEFT_OUT : Math.floor(random() * classes)));
    const cuts = [[0, 100], [0, 1, 100], [0, 33, 34, 71, 100], Array.from({ length: 101 }, (_, row) => row)];
    for (const comparison of [COMPARISONS[0]!, COMPARISONS[1]!, COMPARISONS[4]!, COMPARISONS[8]!]) {
      for (const kernel of kernels) {
        const [whole, ...parts] = cuts.map((cut) => {
          const evaluated = cut.slice(1).map((end, k) => {
            const first = cut[k]!;
            const block = blockOf(rows.slice(first, end), dtypes, {
              scale: 1.3,
              targets: (row) => targets[first + row]!,
            });
            const placed = kernel.placePair(block);
            const { divergence, infinite, logits, reference } = placed.compare(comparison);
            const gradient = placed.gradient(new Float64Array(end - first).fill(0.5), 'float16');
            const columns = [divergence, logits.nll, logits.lse, reference.nll, reference.lse, infinite];
            return { gradient, columns: columns.map((column) => Array.from<number>(column)) };
          });
          return {
            gradient: Buffer.concat(evaluated.map(({ gradient }) => gradient)),
            columns: evaluated[0]!.columns.map((_, k) => evaluated.flatMap(({ columns }) => columns[k]!)),
          };
        });
        for (const part of parts) {
          expect(part.columns).toEqual(whole!.columns);
          expect(part.gradient.equals(whole!.gradient)).toBe(true);
        }
      }
    }
  }
});
